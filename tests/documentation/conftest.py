"""A checkout and the user's files beside it."""

from __future__ import annotations

import shutil
import stat
import sys

import pytest
from command_lines import AMOS, BRATS, PRETRAIN, run_bundle
from markdown_commands import PROGRAMS, REPOSITORY
from preloaded import preloaded_python
from tiny_settings import TINY
from user_files import write_user_files, write_working_folder

from meddino_components.bundle import package
from meddino_components.checkpoints import write_weights
from meddino_components.networks import DinoVisionTransformer, vit_backbone

# an export takes seconds a block
_SHALLOW = {**TINY, "random_start::depth": 4}
_SHALLOW["interaction_indices"] = [0, 1, 2, 3]


@pytest.fixture(scope="session")
def python():
    """The program that commands run by."""
    with preloaded_python() as program:
        yield program


@pytest.fixture(scope="session")
def user_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("user")
    write_user_files(root)
    return root


@pytest.fixture
def sandbox(tmp_path, user_files, python, monkeypatch):
    """A checkout as a user has it, beside data of the user's, and programs that run what is typed."""
    for folder in ("benchmarks", "bundles", "meddino_components"):
        ignore = shutil.ignore_patterns("models", "output", "eval")
        shutil.copytree(REPOSITORY / folder, tmp_path / "meddino" / folder, ignore=ignore)
    for folder in user_files.iterdir():
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in (*PROGRAMS, "cp"):
        path = programs / program
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{REPOSITORY / "tests" / "support" / "as_typed.py"}" {program} "$@"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    write_working_folder(tmp_path / "meddino", tmp_path / "data")
    monkeypatch.setenv("PYTHON_EXEC", str(python))
    return tmp_path


@pytest.fixture(scope="session")
def models(tmp_path_factory, user_files, python):
    """What a user has from earlier work: fine-tuned networks, teachers of pretraining, releases, weights of others."""
    root = tmp_path_factory.mktemp("models")
    for bundle, data in ((AMOS, "amos22"), (BRATS, "brats2021")):
        output = root / "bundles" / bundle.name / "output"
        settings = {**_SHALLOW, "dataset_dir": str(user_files / "data" / data), "output_dir": str(output)}
        run_bundle(["train"], settings, bundle=bundle, launcher=[str(python), "-m"])
        package(bundle, root, model=output / "model.pt")
    for name in ("model.pt", "fold0.pt", "fold1.pt", "fold2.pt"):
        shutil.copy(root / "bundles" / AMOS.name / "output" / "model.pt", root / name)
    # shallow, since a page draws slices of 2048 px
    teacher = DinoVisionTransformer(embed_dim=64, depth=2, num_heads=1, n_storage_tokens=4).state_dict()
    write_weights(teacher, root / "teacher.safetensors")
    for iteration in (125, 250):
        write_weights(
            teacher, root / "bundles" / PRETRAIN.name / f"output/stage1/teachers/teacher_{iteration:07d}.safetensors"
        )
    write_weights(vit_backbone("vit_small", qkv_bias=True).state_dict(), root / "dinov3_vits16.pth")
    return root
