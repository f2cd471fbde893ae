"""The folder of a training: locked, tried, and free of other people's files before the first step."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from ignite.engine import Engine
from visible_files import visible

from meddino_components.checkpoints import write_weights
from meddino_components.errors import InputError
from meddino_components.training import ReleaseRunFolder, RunFolder


def opened(folder: Path, **settings: object) -> RunFolder:
    files = [folder / "models" / "model.pt", folder / "checkpoint.pt", folder / "log.jsonl"]
    return RunFolder(output_dir=folder, files=files, folders=[folder / "cache"], **settings)  # type: ignore[arg-type]


def test_makes_every_folder_that_is_written_to(tmp_path: Path) -> None:
    opened(tmp_path / "run")
    assert visible(tmp_path / "run") == ["cache", "models"]


@pytest.mark.parametrize("name", ["models/model.pt", "models/model.pt.sha256", "checkpoint.pt", "log.jsonl"])
def test_files_of_the_users_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / name).write_text("the user's")
    with pytest.raises(InputError, match=f"{Path(name).name}: not written by meddino"):
        opened(tmp_path)
    assert not (tmp_path / ".meddino" / "holder.json").exists()
    opened(tmp_path, adopt_files=True)


def test_weights_of_an_earlier_run_may_be_replaced(tmp_path: Path) -> None:
    opened(tmp_path)
    write_weights({}, tmp_path / "models" / "model.pt")
    opened(tmp_path)


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(InputError, match="models: cannot be created or written to"):
        opened(tmp_path)


def test_the_lock_ends_with_the_run_or_with_its_objects(tmp_path: Path) -> None:
    trainer = Engine(lambda engine, batch: None)
    folder = opened(tmp_path)
    ReleaseRunFolder(run_folder=folder).attach(trainer)
    assert trainer.run([0]).epoch == 1
    assert visible(tmp_path) == ["cache", "models"]
    assert not (tmp_path / ".meddino" / "holder.json").exists()
    again = opened(tmp_path)
    assert (tmp_path / ".meddino" / "holder.json").exists()
    del again
    gc.collect()
    assert not (tmp_path / ".meddino" / "holder.json").exists()
