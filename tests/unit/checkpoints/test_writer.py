"""Whole or not there: formats, checksums, failing writes, a process killed in the middle, ignite's Checkpoint."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from holding import exit_status, forked
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint
from safetensors import safe_open
from safetensors.torch import load_file
from visible_files import partial_files, visible

from meddino_components.checkpoints import AtomicSaver, sha256_of, write_weights
from meddino_components.checkpoints.source import verified_sha256
from meddino_components.errors import InputError

STATE = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)}


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.pth"])
def test_round_trip(tmp_path, name):
    path = tmp_path / name
    digest = write_weights(STATE, path)
    loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    assert loaded.keys() == STATE.keys()
    assert all(torch.equal(loaded[key], STATE[key]) for key in STATE)
    assert (tmp_path / f"{name}.sha256").read_text(encoding="utf-8") == f"{digest}  {name}\n"
    assert digest == sha256_of(path)
    assert not partial_files(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="uses sha256sum")
def test_sidecar_is_read_by_sha256sum(tmp_path):
    write_weights(STATE, tmp_path / "model.pt")
    subprocess.run(["sha256sum", "--check", "model.pt.sha256"], cwd=tmp_path, check=True, capture_output=True)


def test_metadata(tmp_path):
    write_weights(STATE, tmp_path / "model.safetensors", {"licence": "none"})
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"licence": "none"}
    write_weights(STATE, tmp_path / "model.pt", {"licence": "none"})
    loaded = torch.load(tmp_path / "model.pt", weights_only=True)
    assert loaded["metadata"] == {"licence": "none"}
    assert torch.equal(loaded["model"]["a"], STATE["a"])


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_views_and_shared_tensors(tmp_path, suffix):
    base = torch.arange(100_000.0)
    shared = torch.ones(3)
    state = {"view": base[:4], "transposed": base[:6].view(2, 3).t(), "one": shared, "other": shared, "empty": base[:0]}
    path = tmp_path / f"model.{suffix}"
    write_weights(state, path)
    loaded = load_file(path) if suffix == "safetensors" else torch.load(path, weights_only=True)
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    assert path.stat().st_size < 10_000


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown suffix"):
        write_weights(STATE, tmp_path / "model.bin")
    with pytest.raises(TypeError, match="not a tensor: n"):
        write_weights({"n": 3}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="cannot be written"):
        write_weights(STATE, Path(__file__) / "model.pt")
    assert not list(tmp_path.iterdir())


def test_the_folder_is_made(tmp_path):
    write_weights(STATE, tmp_path / "new" / "models" / "model.pt")
    assert (tmp_path / "new" / "models" / "model.pt.sha256").is_file()


def written_to_a_full_disk(path):
    """Whether this process, whose files may not be larger than 100 kB, says in an `InputError` that it cannot write."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        write_weights({"a": torch.zeros(1_000_000)}, path)
    except InputError as error:
        return 0 if str(error).startswith(f"{path}: cannot be written") else 1
    return 2


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by setrlimit")
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_no_room_on_the_disk(tmp_path, name):
    path = tmp_path / name
    write_weights(STATE, path)
    before = path.read_bytes()
    assert exit_status(written_to_a_full_disk, path) == 0
    assert path.read_bytes() == before
    verified_sha256(path)
    assert not partial_files(tmp_path)


def write_forever(folder, ready):
    saver, state = AtomicSaver(dirname=folder), {"a": torch.zeros(4_000_000)}
    saver(state, "checkpoint.pt")
    ready.set()
    while True:
        state["a"] += 1
        saver(state, "checkpoint.pt")


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_while_writing(tmp_path):
    ready = forked.Event()
    writer = forked.Process(target=write_forever, args=(tmp_path, ready))
    writer.start()
    assert ready.wait(60)
    time.sleep(0.3)
    writer.kill()
    writer.join()
    values = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["a"]
    assert values.eq(values[0]).all()
    verified_sha256(tmp_path / "checkpoint.pt")
    saver = AtomicSaver(dirname=tmp_path)
    assert not list(tmp_path.glob("*.partial*"))
    # the kill may have come while the record of files was written, whose folder is cleared by the next that writes it
    saver({"a": values}, "checkpoint.pt")
    assert not partial_files(tmp_path)


def test_as_save_handler_of_ignite(tmp_path):
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    trainer = Engine(lambda engine, batch: None)
    folder = tmp_path / "checkpoints"
    handler = Checkpoint(
        {"network": network, "optimizer": optimizer, "trainer": trainer}, AtomicSaver(dirname=folder), n_saved=2
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, handler)
    trainer.run([0], max_epochs=4)
    names = ["checkpoint_3.pt", "checkpoint_3.pt.sha256", "checkpoint_4.pt", "checkpoint_4.pt.sha256"]
    assert visible(folder) == names
    content = torch.load(folder / "checkpoint_4.pt", weights_only=True)
    assert torch.equal(content["network"]["weight"], network.weight)
    Checkpoint.load_objects({"network": network, "optimizer": optimizer, "trainer": trainer}, checkpoint=content)


def test_checkpoint_that_could_not_be_read_back(tmp_path):
    saver = AtomicSaver(dirname=tmp_path)
    saver({"iteration": 1}, "checkpoint.pt")
    with pytest.raises(TypeError, match=r"weights_only=True refuses: numpy"):
        saver({"state": np.zeros(3)}, "checkpoint.pt")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True) == {"iteration": 1}
    assert not partial_files(tmp_path)


def test_remove_twice(tmp_path):
    saver = AtomicSaver(dirname=tmp_path)
    saver({"iteration": 1}, "checkpoint.pt")
    saver.remove("checkpoint.pt")
    saver.remove("checkpoint.pt")
    assert not list(tmp_path.glob("*.pt*"))
