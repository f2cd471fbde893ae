"""Every command of README and docs runs as it stands there; the commands are read out of the Markdown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from as_typed import EXCEPTIONS
from markdown_commands import PAGES, REPOSITORY, Script, scripts
from shown_files import shown_files

WITH_COMMANDS = [page for page in PAGES if scripts(page)]


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def run(script: Script, sandbox: Path, folder: Path) -> Path:
    """Run a script in a folder, as a user would; returns the folder in which it ended."""
    variables = {
        **os.environ,
        "PATH": f"{sandbox / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(sandbox / "meddino"),
        "DOCUMENTED_LOG": str(sandbox / "log.jsonl"),
        "DOCUMENTED_SANDBOX": str(sandbox),
        "OMP_NUM_THREADS": "1",
    }
    ended = sandbox / "ended"
    if script.language == "python":
        command = [os.environ["PYTHON_EXEC"], "-c", script.text.replace('"/data/', f'"{sandbox}/data/')]
    else:
        command = ["bash", "-eu", "-o", "pipefail", "-c", f"{script.text}\npwd > '{ended}'"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, (
        f"{script.page}:{script.line}\n{script.text}\n{done.stdout[-1500:]}\n{done.stderr[-3500:]}"
    )
    return folder if script.language == "python" else Path(ended.read_text(encoding="utf-8").strip())


def test_at_most_ten_exceptions():
    assert len(EXCEPTIONS) <= 10


def test_commands_are_found():
    found = Counter(script.language for page in PAGES for script in scripts(page))
    assert found["sh"] > 30
    assert found["python"] >= 4


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_what_a_page_shows_runs_as_it_stands(page, sandbox, models):
    folder = sandbox / "meddino"
    shutil.copytree(models, folder, dirs_exist_ok=True)
    if page.parents[1].parent.name == "bundles":
        folder /= page.parents[1].relative_to(REPOSITORY)
    # what a page shows as files, its commands use
    for file in [file for section in shown_files(page).values() for file in section]:
        file.write(folder)
    for script in scripts(page):
        folder = run(script, sandbox, folder)
    log = [json.loads(line) for line in (sandbox / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log
    print(*(f"{line['seconds']:5.0f} s  {line['typed']}" for line in log), sep="\n")
    assert [line["typed"] for line in log if line["status"]] == []
    assert [(line["typed"], line["warnings"]) for line in log if line["warnings"]] == []
