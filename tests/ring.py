"""Whether servers work by io_uring: for the tests of the examples. SPDX-License-Identifier: BSD-3-Clause"""
import contextlib
import ctypes
import os
import signal


def kernel_has_rings():
    """Whether io_uring_setup(2) gives a descriptor."""
    number = ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))
    if number >= 0:
        os.close(number)
    return number >= 0


def expected():
    """Whether a server that is asked for a ring must have one: the build has libasynchat-uring, and the kernel permits it."""
    return "EXAMPLE_RING" in os.environ and kernel_has_rings()


def calls(process):
    """How many calls the ring of a process has made, or None if it has no ring."""
    folder = f"/proc/{process.pid}"
    for number in os.listdir(folder + "/fd"):
        if "io_uring" in os.readlink(f"{folder}/fd/{number}"):
            with open(f"{folder}/fdinfo/{number}") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("CqTail:"))
    return None


@contextlib.contextmanager
def paused(process):
    """What clients send meanwhile is there when the process goes on, all of it in one pass of its loop."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    yield
    process.send_signal(signal.SIGCONT)
