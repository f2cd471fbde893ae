"""A file is left only where it agrees."""

import json

import pytest
import torch
from visible_files import visible

from meddino_components.checkpoints import WeightsRecord, read_record, sha256_of
from meddino_components.errors import InputError
from meddino_components.export import ExportedNetwork, checked_file
from meddino_components.export.checked_file import write_checked
from meddino_components.files import ResultFiles

DESCRIPTION = {"input": {"channels": 4, "multiple_of_px": 16}}
RECORD = WeightsRecord(bundle="meddinov3_seg_brats", export=DESCRIPTION)


@pytest.fixture(autouse=True)
def traced_once(program, monkeypatch):
    monkeypatch.setattr(checked_file, "export_program", lambda network: program)


def test_says_beside_the_file_what_was_checked(network, tmp_path):
    path = tmp_path / "new" / "model.pt2"
    checks = write_checked(network, path, RECORD, roi_size=(80, 64), tolerance=1e-4)
    assert visible(path.parent) == ["model.pt2", "model.pt2.json", "model.pt2.sha256"]
    record = json.loads((path.parent / "model.pt2.json").read_text(encoding="utf-8"))
    assert record["sha256"] == sha256_of(path) == ExportedNetwork(source=path, sha256=record["sha256"]).sha256
    assert (path.parent / "model.pt2.sha256").read_text(encoding="utf-8") == f"{record['sha256']}  model.pt2\n"
    assert record["input"] == DESCRIPTION["input"]
    assert record["record_id"] == RECORD.id
    assert read_record(path) == RECORD
    assert record["tolerance"] == 1e-4
    assert [tuple(check["shape"]) for check in record["checks"]] == [check.shape for check in checks]
    assert {check.shape for check in checks} == {
        (1, 4, 80, 64), (2, 4, 80, 64), (1, 4, 32, 48), (2, 4, 32, 48),
    }  # fmt: skip
    assert all(check["mean_dice"] == 1.0 for check in record["checks"])


def test_one_that_disagrees_is_not_left(network, tmp_path):
    path = tmp_path / "model.pt2"
    with ResultFiles() as files:
        files.path(path).write_text("what was there before")
    other = type(network)(backbone=network.backbone, num_classes=3, in_channels=4, interaction_indices=[0]).eval()
    with pytest.raises(
        InputError, match=r"not written, as the exported network differs .* expected at most 0\.01 of the"
    ):
        write_checked(other, path, RECORD, roi_size=(64, 64), tolerance=0.01)
    assert visible(tmp_path) == ["model.pt2"]
    assert path.read_text(encoding="utf-8") == "what was there before"


def test_a_folder_that_is_a_file(network, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_checked(network, tmp_path / "taken" / "model.pt2", RECORD, roi_size=(64, 64), tolerance=0.01)


def test_an_exported_network_says_what_it_takes(network, tmp_path):
    path = tmp_path / "model.pt2"
    write_checked(network, path, RECORD, roi_size=(32, 48), tolerance=1e-4)
    exported = ExportedNetwork(source=path, sha256=sha256_of(path)).eval()
    assert exported(torch.zeros(1, 4, 32, 48, dtype=torch.float64)).shape == (1, 3, 32, 48)
    for shape in [(1, 3, 32, 32), (1, 4, 32, 40), (4, 32, 32)]:
        with pytest.raises(ValueError, match=r"expects \[B, 4, H, W\] with H and W multiples of 16"):
            exported(torch.zeros(shape))
