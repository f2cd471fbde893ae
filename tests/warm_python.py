"""Command lines of Python without its slow imports: a process that has imported MONAI forks itself for each.

Importing MONAI takes seven seconds of processor time, most of what a command on a tiny network takes. The fork becomes
``python -m MODULE ARGUMENTS`` to its end: folder, environment, arguments, output, what an error prints and the exit
status are its own, and it imports `meddino_components` by itself. What depends on how a process begins (hash seed,
locale, modules left out, torchrun, signals) is tested in processes that begin.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


class WarmPython:
    """The process; it ends with the one that made it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._server = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def run(
        self, words: list[str], *, cwd: Path | str | None, timeout: float, on_one_screen: bool
    ) -> subprocess.CompletedProcess[str]:
        """As ``subprocess.run([sys.executable, "-m", *words])``; on one screen, errors are in the output as well."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            places = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, out if on_one_screen else err)]
            request = {"words": words, "cwd": str(cwd or Path.cwd()), "places": places, "timeout": timeout}
            print(json.dumps(request), file=self._server.stdin, flush=True)
            status = int(self._server.stdout.readline())
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess([sys.executable, "-m", *words], status, *texts)


@cache
def warm_python(*environment: tuple[str, str]) -> WarmPython:
    """The one of this environment."""
    return WarmPython(dict(environment))


def _serve() -> str:
    """Wait for commands; returns in a fork alone, with the module that it is to run."""
    import monai.bundle  # noqa: F401

    requests, replies = os.fdopen(os.dup(0)), os.dup(1)
    while line := requests.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os.close(replies)
            return _become(request)
        os.write(replies, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
    raise SystemExit


def _become(request: dict) -> str:
    module, *arguments = request["words"]
    os.chdir(request["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, place in enumerate(request["places"], start=1):
        os.dup2(os.open(place, os.O_WRONLY | os.O_APPEND), number)
    sys.path[0] = request["cwd"]
    sys.argv[1:] = arguments
    sys.orig_argv[:] = [sys.executable, "-m", module, *arguments]
    # ends by itself what its caller has given up
    signal.alarm(int(request["timeout"]))
    return module


if __name__ == "__main__":
    runpy.run_module(_serve(), run_name="__main__", alter_sys=True)
