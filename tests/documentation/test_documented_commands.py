"""Every command of README and docs runs as it stands there; the commands are read out of the Markdown."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from as_typed import EXCEPTIONS
from command_lines import AMOS, BRATS, TINY, run_bundle
from markdown_commands import PAGES, PROGRAMS, REPOSITORY, Script, scripts
from user_files import write_user_files, write_working_folder

from meddino_components.bundle import package
from meddino_components.checkpoints import write_weights
from meddino_components.networks import vit_backbone

WITH_COMMANDS = [page for page in PAGES if scripts(page)]


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.fixture(scope="module")
def user_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("user")
    write_user_files(root)
    return root


@pytest.fixture
def sandbox(tmp_path, user_files):
    """A checkout as a user has it, beside data of the user's, and programs that run what is typed."""
    for folder in ("bundles", "meddino_components"):
        ignore = shutil.ignore_patterns("__pycache__", "models", "output", "eval")
        shutil.copytree(REPOSITORY / folder, tmp_path / "meddino" / folder, ignore=ignore)
    for folder in user_files.iterdir():
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in PROGRAMS:
        path = programs / program
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("as_typed.py")}" {program} "$@"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    write_working_folder(tmp_path / "meddino", tmp_path / "data")
    return tmp_path


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
        command = [sys.executable, "-c", script.text.replace('"/data/', f'"{sandbox}/data/')]
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


@pytest.fixture(scope="module")
def models(tmp_path_factory, user_files):
    """What a user has from earlier work: a fine-tuned network, an encoder, a release, weights of others."""
    root = tmp_path_factory.mktemp("models")
    settings = {**TINY, "dataset_dir": str(user_files / "data" / "amos22"), "output_dir": str(root / "run")}
    run_bundle(["train"], settings)
    (root / "models").mkdir()
    shutil.copy(root / "run" / "model.pt", root / "models" / "model.pt")
    write_weights(vit_backbone("vit_small").state_dict(), root / "teacher.safetensors")
    write_weights(vit_backbone("vit_small", qkv_bias=True).state_dict(), root / "dinov3_vits16.pth")
    for bundle in (AMOS, BRATS):
        package(bundle, root, model=root / "models" / "model.pt" if bundle == AMOS else None)
    shutil.rmtree(root / "run")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_what_a_page_shows_runs_as_it_stands(page, sandbox, models):
    folder = sandbox / "meddino"
    shutil.copytree(models, folder, dirs_exist_ok=True)
    if page.parents[1].parent.name == "bundles":
        folder /= page.parents[1].relative_to(REPOSITORY)
    for script in scripts(page):
        folder = run(script, sandbox, folder)
    log = [json.loads(line) for line in (sandbox / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log
    assert [line["typed"] for line in log if line["status"]] == []
