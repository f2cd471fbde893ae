"""The one error that a user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

# how torch begins the message of an error that a worker process of a loader raised; a traceback follows
_OF_A_WORKER = "Caught InputError in "

_Error = TypeVar("_Error", bound=BaseException)


class InputError(ValueError):
    """Something the user gave is wrong.

    The message names the file, what was found, what was expected and what to do. The command line prints it
    without a traceback and exits with status 2; a folder of cases goes on with the next case.
    """


def error_behind(error: BaseException, kind: type[_Error]) -> _Error | None:
    """The error of a kind that is or caused an exception; MONAI wraps what a component raises."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, kind):
        link = link.__cause__ or link.__context__
    return link


def input_error(error: BaseException) -> InputError | None:
    """The `InputError` behind an exception."""
    return error_behind(error, InputError)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the `InputError` behind an exception in its place: MONAI raises RuntimeError for what components raise."""
    try:
        yield
    except Exception as error:
        found = input_error(error)
        if found is None or found is error:
            raise
        raise found from None


def one_line(error: InputError) -> str:
    """An error's message as one line, also where it lists things or comes with a worker process' traceback."""
    text = str(error)
    if text.startswith(_OF_A_WORKER):
        text = text.rpartition(f"{InputError.__name__}: ")[2]
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
