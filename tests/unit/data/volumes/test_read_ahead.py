"""The next case is read while one is worked on, and nothing else changes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, Invertd, MapTransform, Orientationd

from meddino_components.data import LoadVolumed, ReadAhead
from meddino_components.errors import InputError, input_error


class Reading(MapTransform):
    """Notes which cases were read, in which thread; some raise."""

    def __init__(self, raises: dict[int, list[Exception]] | None = None) -> None:
        super().__init__("number")
        self.raises = raises or {}
        self.read: list[tuple[int, str]] = []
        self.seen = threading.Condition()

    def __call__(self, data: Any) -> dict[str, Any]:
        with self.seen:
            self.read.append((data["number"], threading.current_thread().name.split("_")[0]))
            self.seen.notify_all()
        if errors := self.raises.get(data["number"]):
            raise errors.pop(0)
        return {**data, "value": torch.full((1,), data["number"])}

    def wait_for(self, number: int) -> bool:
        with self.seen:
            return self.seen.wait_for(lambda: any(n == number for n, _ in self.read), timeout=20)


def numbered(n: int) -> list[dict[str, int]]:
    return [{"number": k} for k in range(n)]


def test_the_next_case_alone_is_read_meanwhile() -> None:
    reading = Reading()
    cases = ReadAhead(numbered(4), Compose([reading]), [0, 2, 3])
    assert len(cases) == 3
    assert cases.take(0)["number"] == 0
    assert reading.wait_for(2)
    # one ahead, and none that is not asked for
    assert [number for number, _ in reading.read] == [0, 2]
    assert [cases.take(number)["number"] for number in (2, 3)] == [2, 3]
    cases.close()
    assert reading.read == [(0, "MainThread"), (2, "read ahead"), (3, "read ahead")]


def test_volumes_and_their_way_back_are_those_of_the_data_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for k, axcodes in enumerate(("LPS", "RAS", "SPL", "PIR")):
        array = rng.integers(-1000, 1000, (6, 5, 4), dtype=np.int16)
        turn = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(axcodes), array.shape)
        paths.append(tmp_path / f"{k}.nii.gz")
        nib.save(nib.Nifti1Image(array, np.linalg.inv(turn)), paths[-1])
    preprocessing = Compose([LoadVolumed("image"), Orientationd("image", axcodes="PLS", labels=None)])
    back = Invertd(keys="image", transform=preprocessing, orig_keys="image")
    dataset = Dataset([{"image": str(path)} for path in paths], preprocessing)
    for _ in range(5):  # inverting one while the next is read
        for path, expected, found in zip(
            paths, [dataset[k] for k in range(4)], ReadAhead(dataset.data, preprocessing), strict=True
        ):
            assert torch.equal(found["image"].as_tensor(), expected["image"].as_tensor())
            assert np.array_equal(found["image"].affine, expected["image"].affine)
            stored = nib.load(path).get_fdata()
            assert np.array_equal(back(found)["image"][0].numpy(), stored)


def test_what_a_case_raises_is_raised_there_and_the_next_one_is_read() -> None:
    reading = Reading({1: [InputError("b.nii: is cut off")]})
    cases = ReadAhead(numbered(3), Compose([reading]))
    assert cases.take(0)["number"] == 0
    with pytest.raises(RuntimeError) as raised:
        cases.take(1)
    assert str(input_error(raised.value)) == "b.nii: is cut off"
    assert cases.take(2)["number"] == 2


def test_a_loader_raises_instead_of_ending_early() -> None:
    reading = Reading({2: [InputError("c.nii: is cut off")]})
    loader = DataLoader(ReadAhead(numbered(4), Compose([reading])), batch_size=1, num_workers=0)
    assert len(loader) == 4
    batches = iter(loader)
    assert [next(batches)["value"].tolist() for _ in range(2)] == [[[0]], [[1]]]
    with pytest.raises(RuntimeError) as raised:
        next(batches)
    assert str(input_error(raised.value)) == "c.nii: is cut off"


def test_a_case_that_did_not_fit_beside_another_is_read_again_alone() -> None:
    reading = Reading({1: [MemoryError()]})
    cases = ReadAhead(numbered(2), Compose([reading]))
    cases.take(0)
    assert reading.wait_for(1)
    assert cases.take(1)["number"] == 1


def test_a_data_set_without_a_transform_gives_its_items() -> None:
    assert list(ReadAhead(numbered(2))) == numbered(2)
