"""What nobody annotated is left out of the metrics of a validation."""

import math

import pytest
import torch
from monai.handlers import MeanDice
from monai.metrics import DiceMetric

from meddino_components.data import LabelsToRegionsd, brats_regions
from meddino_components.evaluation import KnownDice, LeaveOutIgnoredd, MarkUnknownRegionsd

REGIONS = brats_regions("brats2021")


def case(reference, prediction, **more):
    maps = (torch.tensor(numbers, dtype=torch.uint8).reshape(1, 2, 3, 1) for numbers in (reference, prediction))
    return dict(zip(("label", "pred"), maps, strict=True)) | more


def test_ignored_voxels_count_neither_for_nor_against():
    found = LeaveOutIgnoredd()(case([1, 1, 255, 255, 2, 0], [1, 0, 1, 2, 2, 0]))
    assert found["label"].flatten().tolist() == [1, 1, 0, 0, 2, 0]
    assert found["pred"].flatten().tolist() == [1, 0, 0, 0, 2, 0]
    whole = case([1, 1, 0, 0, 2, 0], [1, 0, 1, 2, 2, 0])
    assert LeaveOutIgnoredd()(whole)["pred"] is whole["pred"]


def test_the_mean_dice_of_classes_covers_those_that_were_annotated():
    # class 2 was not annotated in this case: a prediction of it on background is no error of class 1
    metric = MeanDice(include_background=False, num_classes=3, save_details=False)
    metric.update([[torch.tensor([[1, 1, 2, 2.0]])], [torch.tensor([[1, 1, 0, 0.0]])]])
    assert metric.compute() == pytest.approx(1)


def dice_of(found):
    metric = KnownDice(include_background=True, ignore_empty=False)
    metric([found["pred"]], [found["label"]])
    return metric.get_buffer()[0].tolist(), float(metric.aggregate())


def test_a_region_that_was_not_annotated_has_no_dice():
    masks = LabelsToRegionsd(["pred", "label"], regions=REGIONS)
    plain = masks(case([2, 2, 1, 0, 0, 0], [2, 1, 1, 0, 0, 4]))
    expected = DiceMetric(include_background=True, ignore_empty=False)
    expected([plain["pred"]], [plain["label"]])
    assert dice_of(MarkUnknownRegionsd(regions=REGIONS)(plain))[0] == expected.get_buffer()[0].tolist()
    # whole tumour and core hold the enhancing tumour, which nobody annotated: nothing is known of them
    known = torch.tensor([1, 1, 1, 1, 0]).bool()
    found = dice_of(MarkUnknownRegionsd(regions=REGIONS)(plain | {"annotated": known}))
    assert all(math.isnan(value) for value in found[0])
    # the enhancing tumour alone
    known = torch.tensor([1, 0, 0, 1, 1]).bool()
    values, mean = dice_of(MarkUnknownRegionsd(regions=REGIONS)(plain | {"annotated": known}))
    assert math.isnan(values[0])
    assert math.isnan(values[1])
    assert values[2] == mean == 0  # it was predicted, and the reference lacks it
