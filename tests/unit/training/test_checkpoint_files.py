"""The newest checkpoint and those before it: how many stay, and what a damaged one leaves."""

import pytest
import torch
from checkpointed_runs import checkpoint, iterations, train
from tiny_trainer import TinyRun

from meddino_components.checkpoints import sha256_of
from meddino_components.errors import InputError
from meddino_components.training import RunFolder


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, [12, 15]), ({"kept": 1}, []), ({"kept": 2, "kept_every": 2}, [6, 12, 15]), ({"kept": 9}, [3, 6, 9, 12, 15])],
)
def test_the_last_ones_and_every_nth_are_kept(tmp_path, settings, kept):
    run = TinyRun(epochs=6)
    run.run(checkpoint(run, tmp_path / "checkpoint.pt", **settings))
    assert iterations(tmp_path) == kept
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 18
    for path in (tmp_path / "checkpoints").glob("*.pt"):
        digest, name = (path.parent / f"{path.name}.sha256").read_text(encoding="utf-8").split()
        assert (digest, name) == (sha256_of(path), path.name)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("damage", [flip_a_bit, cut_in_half])
def test_a_damaged_checkpoint_is_refused_and_the_whole_one_before_it_named(tmp_path, damage, sidecar):
    whole = train(tmp_path / "whole.pt", epochs=4)
    path, before = tmp_path / "run" / "checkpoint.pt", tmp_path / "run" / "checkpoints" / "checkpoint_0000006.pt"
    train(path, epochs=3)
    damage(path)
    if not sidecar:
        path.with_name("checkpoint.pt.sha256").unlink()
    with pytest.raises(InputError) as error:
        train(path, epochs=4, resume=True)
    assert str(error.value).startswith(f"{path}: the file is damaged (")
    assert str(error.value).endswith(f"resume from it with `--resume {before}`")
    assert "\n" not in str(error.value)
    # the one before gives the run that was not damaged, in the folder of a run that goes on
    RunFolder(output_dir=path.parent, files=[path], adopt_files=True)
    assert torch.equal(train(path, epochs=4, resume=str(before), seed=7).weights, whole.weights)
    assert iterations(tmp_path / "run") == [6, 9]


def test_nothing_whole_says_so(tmp_path):
    path = tmp_path / "checkpoint.pt"
    train(path, epochs=2)
    for each in (path, *(tmp_path / "checkpoints").glob("*.pt")):
        flip_a_bit(each)
    with pytest.raises(InputError, match="no intact earlier checkpoint: start a new run in another --output_dir"):
        train(path, epochs=3, resume=True)
