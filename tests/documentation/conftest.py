"""A checkout and the user's files beside it."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest
from command_lines import AMOS, BRATS, TINY, run_bundle
from markdown_commands import PROGRAMS, REPOSITORY
from user_files import write_user_files, write_working_folder

from meddino_components.bundle import package
from meddino_components.checkpoints import write_weights
from meddino_components.networks import vit_backbone


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
