"""What the clients for Python have in common. SPDX-License-Identifier: BSD-3-Clause"""
import sys

EVERY_BYTE = bytes(range(256)) * 4000


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


def tell(word):
    """Asks judges.py."""
    print(word, flush=True)
    sys.stdin.readline()
