"""Processes beside the test: forked, since starting Python with torch takes seconds."""

import multiprocessing
import os
import time
from contextlib import contextmanager

from meddino_components.files import held_lock

forked = multiprocessing.get_context("fork")


def _hold(folder, has_it):
    with held_lock(folder):
        has_it.set()
        time.sleep(60)


@contextmanager
def holder_of(folder):
    """A process that has the folder's lock."""
    has_it = forked.Event()
    process = forked.Process(target=_hold, args=(folder, has_it))
    process.start()
    try:
        assert has_it.wait(30)
        yield process
    finally:
        process.kill()
        process.join()


def ended_pid():
    """The number of a process that is gone."""
    process = forked.Process(target=int)
    process.start()
    process.join()
    return process.pid


def exit_status(function, *arguments):
    """Of a process that runs the function and ends with what it returns."""
    process = forked.Process(target=lambda: os._exit(function(*arguments)))
    process.start()
    process.join()
    return process.exitcode
