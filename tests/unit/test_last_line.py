"""An error that the user can mend ends a process in one line and status 2; another ends it as before."""

import subprocess
import sys

from command_lines import environment

SCRIPT = """
import atexit
from meddino_components.errors import InputError
from meddino_components.last_line import install_last_line
install_last_line()
install_last_line()
atexit.register(print, "cleaned up")
print("printed before")
try:
    raise {error}
except Exception as error:
    raise RuntimeError("of MONAI") from error
"""


def run(error, **variables):
    command = [sys.executable, "-c", SCRIPT.format(error=error)]
    return subprocess.run(
        command, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )


def test_one_line_and_status_2_below_what_was_printed_and_python_still_cleans_up():
    done = run('InputError("a.pt: does not fit\\n  missing: 3\\n  to do: this")')
    assert done.returncode == 2
    assert done.stdout == "printed before\nerror: a.pt: does not fit; missing: 3; to do: this\ncleaned up\n"


def test_the_traceback_comes_before_the_line_where_it_is_asked_for():
    done = run('InputError("wrong")', MEDDINO_TRACEBACK="1")
    assert done.returncode == 2
    assert "RuntimeError: of MONAI" in done.stdout
    assert done.stdout.splitlines()[-2] == "error: wrong"


def test_another_error_ends_as_before():
    done = run('KeyError("ours")')
    assert done.returncode == 1
    assert "Traceback" in done.stdout
    assert "error: " not in done.stdout
