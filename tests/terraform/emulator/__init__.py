"""What the stand-in for the AWS provider does on an emulator of AWS: creates, changes and deletes, for each type of resource.

`base.py` says what a handler is and connects to the emulator; the other modules hold the handlers, by service. A type without
a handler, an argument that its handler does not read, and a change that it does not know are refused by name, never passed
over.
"""

# The handlers make themselves known when their modules are loaded.
from . import compute, edges, messaging, monitoring, storage  # noqa: F401
from .base import Connection, Refused, handler, reachable, renewed, replaces
from .data_sources import read

__all__ = ["Connection", "Refused", "handler", "reachable", "read", "renewed", "replaces"]
