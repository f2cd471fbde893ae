"""Print wrong input as the last line on the screen: ``error: ...``, with status 2 and without a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

from .errors import input_error, one_line

STATUS = 2
# if set to 1, the traceback is printed before the line
TRACEBACK_VARIABLE = "MEDDINO_TRACEBACK"


def print_last_line(error: BaseException) -> bool:
    """Print the `InputError` behind an exception, if there is one, below everything printed so far.

    Returns:
        Whether there was an `InputError`.
    """
    found = input_error(error)
    if found is None:
        return False
    sys.stdout.flush()
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        traceback.print_exception(error)
    print(f"error: {one_line(found)}", file=sys.stderr, flush=True)
    return True


def install_last_line() -> None:
    """Make this process end with that line if an `InputError` is not caught; other errors end it as before."""
    if sys.excepthook is not _end_in_last_line:
        global _otherwise
        _otherwise = sys.excepthook
        sys.excepthook = _end_in_last_line


_otherwise = sys.__excepthook__


def _end_in_last_line(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if not isinstance(error, Exception) or not print_last_line(error):
        _otherwise(kind, error, where)
        return
    # Python uses the status of a SystemExit that its hook raises
    raise SystemExit(STATUS)
