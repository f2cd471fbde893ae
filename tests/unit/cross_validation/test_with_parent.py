import subprocess
import sys
import time

import psutil
import pytest
from command_lines import environment

from meddino_components.cross_validation import with_parent

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), "-c", "import time; time.sleep(120)"])
print(child.pid, flush=True)
child.wait()
"""


def test_it_becomes_the_command():
    line = [
        sys.executable,
        with_parent.__file__,
        str(psutil.Process().pid),
        "-c",
        "import sys; print(sys.argv[1:])",
        "a b",
    ]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", env=environment(), check=True)
    assert done.stdout == "['a b']\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process that its parent was killed")
def test_the_command_ends_when_its_parent_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, with_parent.__file__], stdout=subprocess.PIPE, env=environment()
    )
    child = psutil.Process(int(parent.stdout.readline()))
    deadline = time.monotonic() + 30
    while "time.sleep" not in " ".join(child.cmdline()[:3]) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert psutil.wait_procs([child], timeout=30)[1] == []
    parent.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process that its parent was killed")
def test_a_command_whose_parent_has_ended_already_does_not_begin():
    line = [sys.executable, with_parent.__file__, "1", "-c", "print('begun')"]
    done = subprocess.run(line, capture_output=True, encoding="utf-8", env=environment())
    assert (done.returncode, done.stdout) == (143, "")
