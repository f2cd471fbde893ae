"""Targets of a loss, with what was annotated."""

import torch
from monai.engines import default_prepare_batch

from meddino_components.training import PreparePartialBatch

BATCH = {"image": torch.zeros(2, 1, 4, 4), "label": torch.ones(2, 1, 4, 4)}


def test_batches_of_whole_cases_are_as_before():
    found, expected = PreparePartialBatch()(BATCH, "cpu"), default_prepare_batch(BATCH, "cpu")
    assert len(found) == 2
    assert all(mine is theirs for mine, theirs in zip(found, expected, strict=True))


def test_batches_of_partial_cases_carry_what_was_annotated():
    annotated = torch.tensor([[True, False], [True, True]])
    images, (labels, found) = PreparePartialBatch()(BATCH | {"annotated": annotated}, "cpu")
    assert (images is BATCH["image"], labels is BATCH["label"]) == (True, True)
    assert torch.equal(found, annotated)
