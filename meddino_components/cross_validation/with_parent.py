"""Run ``python ...`` in this process, and end it when the process that started it is killed.

It is a program, run by its path: ``python with_parent.py PARENT_PID -m monai.bundle run ...``. On Linux the command
gets SIGTERM, at which a training writes a checkpoint. Other systems have no such request: there the command continues.
"""

import ctypes
import os
import signal
import sys

_SET_SIGNAL_OF_PARENTS_END = 1  # PR_SET_PDEATHSIG of prctl(2), which outlasts exec


def main() -> None:
    """Ask for the signal, then become the command."""
    parent, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENTS_END, signal.SIGTERM)
        if os.getppid() != int(parent):
            # it ended before the request
            raise SystemExit(128 + signal.SIGTERM)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main()
