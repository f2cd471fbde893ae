"""Define the error for wrong input, which the user can correct."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

# start of torch's message for an error in a loader's worker process; a traceback follows
_OF_A_WORKER = "Caught InputError in "

_Error = TypeVar("_Error", bound=BaseException)


class InputError(ValueError):
    """Something the user gave is wrong.

    The message names the file, what was found, what was expected and what to do. The command line prints it
    without a traceback and exits with status 2; a run over a folder continues with the next case.
    """


def error_behind(error: BaseException, kind: type[_Error]) -> _Error | None:
    """Return the error of a kind that is or caused an exception; MONAI wraps errors of components."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, kind):
        link = link.__cause__ or link.__context__
    return link


def input_error(error: BaseException) -> InputError | None:
    """Return the `InputError` behind an exception."""
    return error_behind(error, InputError)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the `InputError` behind an exception instead: MONAI turns errors of components into RuntimeError."""
    try:
        yield
    except Exception as error:
        found = input_error(error)
        if found is None or found is error:
            raise
        raise found from None


def one_line(error: InputError) -> str:
    """Return an error's message as one line, even if it has a list or a worker process's traceback."""
    text = str(error)
    if text.startswith(_OF_A_WORKER):
        text = text.rpartition(f"{InputError.__name__}: ")[2]
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
