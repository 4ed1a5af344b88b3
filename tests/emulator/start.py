"""Starts MiniStack, an AWS emulator in Python, as `just check-emulator` needs it."""

import socketserver

# Answers must leave at once: held back until the client's acknowledgement, each would take 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from ministack.app import main  # noqa: E402

main()
