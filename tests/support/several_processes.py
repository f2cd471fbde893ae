"""A function on several processes that belong together."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from command_lines import REPOSITORY, run_preloaded

_CODE = "import json, sys; from {module} import {name}; {name}(*json.loads(sys.argv[1]))"


def on_processes(function, *arguments, n=2):
    """Call ``function(rank, *arguments)`` on ``n`` processes that begin together.

    They begin without what this process holds: ``function`` is imported by its name from a file of tests/support,
    and the arguments are plain data. Starting them takes no time, see `run_preloaded`.
    """
    code = _CODE.format(module=function.__module__, name=function.__name__)
    variables = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(Path(__file__).parent)])}

    def run(rank):
        words = json.dumps([rank, *map(_plain, arguments)])
        return run_preloaded(sys.executable, "-c", code, words, variables=variables)

    with ThreadPoolExecutor(n) as pool:
        ended = list(pool.map(run, range(n)))
    for process in ended:
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]


def _plain(argument):
    return str(argument) if isinstance(argument, Path) else argument
