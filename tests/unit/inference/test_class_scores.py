"""Labels from scores are those of argmax."""

from __future__ import annotations

import pytest
import torch

from meddino_components.inference.class_scores import is_out_of_memory, write_labels, write_regions


@pytest.mark.parametrize("n_classes", [1, 2, 16, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_argmax_with_ties_to_the_lower_class(n_classes: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    scores = torch.randint(-4, 5, (3, n_classes, 40, 33)).to(dtype)
    scores[0, 0] = -torch.inf
    labels = torch.full((3, 40, 33), 7, dtype=torch.uint8)
    finite = write_labels(scores, labels)
    first = (scores == scores.amax(1, keepdim=True)).to(torch.uint8).argmax(1)
    assert torch.equal(labels.long(), first)
    assert finite.tolist() == [n_classes > 1, True, True]


def test_nan_in_a_losing_class_is_seen() -> None:
    scores = torch.zeros(2, 4, 5, 5)
    scores[1, 2, 3, 3] = torch.nan
    assert write_labels(scores, torch.empty(2, 5, 5, dtype=torch.uint8)).tolist() == [True, False]


def test_out_of_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_innermost_region_wins_and_needs_no_outer_one() -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, 3, 9, 7)
    labels = torch.full((3, 9, 7), 9, dtype=torch.uint8)
    assert write_regions(scores, labels, (2, 1, 4)).all()
    whole, core, enhancing = (scores > 0).unbind(1)
    expected = torch.where(enhancing, 4, torch.where(core, 1, torch.where(whole, 2, 0)))
    assert torch.equal(labels.long(), expected)


def test_scores_that_are_no_numbers_are_seen() -> None:
    scores = torch.ones(2, 3, 5, 5)
    scores[1, 0, 3, 3] = torch.nan
    assert write_regions(scores, torch.empty(2, 5, 5, dtype=torch.uint8), (2, 1, 4)).tolist() == [True, False]
