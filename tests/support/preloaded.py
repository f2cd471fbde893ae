"""A Python that has imported the libraries: each command is a process forked from it, and starts in no time.

A command gets its own arguments, working folder, environment, path of modules, and streams, and is alone in its
process. Of what is imported beforehand nothing is this project's.

``python preloaded.py serve SOCKET`` waits for commands; ``python preloaded.py run SOCKET ARGUMENTS`` is one, with the
arguments of ``python``.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    "ignite.handlers",
    "ignite.metrics",
    "monai.apps",
    "monai.bundle",
    "monai.data",
    "monai.engines",
    "monai.handlers",
    "monai.inferers",
    "monai.losses",
    "monai.metrics",
    "monai.networks.nets",
    "monai.transforms",
    "nibabel",
    "scipy.ndimage",
    "scipy.special",
    "safetensors.torch",
    "torch.distributed.run",
    "torch.utils.data",
)
# not needed everywhere
OPTIONAL = ("matplotlib.figure", "matplotlib.backends.backend_agg", "torch.utils.tensorboard", "PIL.Image")


@contextmanager
def preloaded_python() -> Iterator[Path]:
    """A program that takes the place of ``python``."""
    with tempfile.TemporaryDirectory() as folder:
        address, program = Path(folder) / "socket", Path(folder) / "python"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" run "{address}" "$@"\n')
        program.chmod(0o755)
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", str(address)], cwd=folder, env={**variables, **threads}
        )
        try:
            while not address.exists():
                assert server.poll() is None, "the server of commands did not start"
                time.sleep(0.01)
            yield program
        finally:
            server.kill()
            server.wait()


def serve(address: str) -> NoReturn:
    """Fork a process for each command."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in OPTIONAL:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    assert "meddino_components" not in sys.modules
    # or else each process would copy what it looks through
    gc.collect()
    gc.freeze()
    # what ends is reaped by the system
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            call, streams = _received(connection)
            process = os.fork()
            if process == 0:
                connection.close()
                _become(call, streams)
            _wait(process, connection)
        connection.close()


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, ancillary, _, _ = connection.recvmsg(1 << 20, socket.CMSG_LEN(3 * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 20)
    return json.loads(data), list(streams)


def _wait(process: int, connection: socket.socket) -> None:
    """Tell the status; end the command where nobody waits for it any more."""
    connection.setblocking(False)
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            connection.setblocking(True)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        try:
            if connection.recv(1) == b"":
                os.kill(process, signal.SIGKILL)
        except BlockingIOError:
            pass
        time.sleep(0.02)


def _become(call: dict[str, Any], streams: Sequence[int]) -> NoReturn:
    """Make this process what ``python ARGUMENTS`` would be, run it, and end with its status."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["variables"])
    # anew: those of the server may lie on files of another kind
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    sys.path[0:1] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    status: Any = None
    try:
        _run_as_main([argument for argument in call["arguments"] if argument != "-u"], call["folder"])
    except SystemExit as end:
        status = end.code
    except BaseException:
        status = 1
        try:
            sys.excepthook(*sys.exc_info())
        except SystemExit as end:
            status = end.code
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    # as at the end of Python, but for its taking all modules apart
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def _run_as_main(arguments: list[str], folder: str) -> None:
    if arguments[0] == "-m":
        sys.path.insert(0, folder)
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def run(address: str, arguments: Sequence[str]) -> int:
    """Have a command run; returns its exit status."""
    call = {"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        # torchrun ends its processes by a signal: the connection is closed then, and the command ends, too
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
        data = json.dumps(call).encode() + b"\n"
        sent = connection.sendmsg([data], rights)
        connection.sendall(data[sent:])
        answer = connection.recv(64)
    status = int(answer) if answer else 1
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        raise SystemExit(run(sys.argv[2], sys.argv[3:]))
