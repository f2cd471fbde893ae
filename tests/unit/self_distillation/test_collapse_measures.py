"""Measures of outputs that are collapsed, uniform or one-hot by construction."""

import math

import pytest
import torch
from collapse_outputs import measure, on_process, tensors
from several_processes import on_processes
from torch.testing import assert_close

from meddino_components.self_distillation.collapse_measures import (
    agreement,
    cosine_agreement,
    effective_rank,
    evenly,
    prototype_use,
)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_effective_rank_of_known_spectra(scale):
    generator = torch.Generator().manual_seed(0)
    left = torch.linalg.qr(torch.randn(50, 8, generator=generator)).Q
    right = torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q
    for values in ([1.0] * 8, [1.0] * 3 + [0] * 5, [4.0, 2, 1, 1, 0, 0, 0, 0], [1.0] + [0] * 7):
        shares = torch.tensor(values) / sum(values)
        expected = float(torch.special.entr(shares).sum().exp())
        assert effective_rank(scale * left * torch.tensor(values) @ right) == pytest.approx(expected, rel=1e-4)


def test_collapsed_features_have_rank_one():
    rows = torch.randn(1, 768, generator=torch.Generator().manual_seed(0)).expand(256, -1)
    assert effective_rank(rows) == pytest.approx(1, abs=1e-3)
    noise = torch.randn(256, 768, generator=torch.Generator().manual_seed(1))
    assert effective_rank(rows + 1e-4 * noise) < 1.1
    assert effective_rank(noise) > 150
    assert effective_rank(rows.bfloat16()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("rows", [torch.zeros(4, 3), torch.full((4, 3), math.nan), torch.zeros(0, 3)])
def test_no_rank(rows):
    assert math.isnan(effective_rank(rows))


def test_uniform_assignments():
    use = prototype_use(torch.zeros(10, 64), temperature=0.1)
    assert (use.rows, use.used) == (10, 1)
    assert use.entropy == pytest.approx(math.log(64))
    assert use.entropy_of_mean == pytest.approx(math.log(64))
    assert use.information == pytest.approx(0, abs=1e-6)


def test_one_hot_assignments_to_all_prototypes():
    use = prototype_use(100 * torch.eye(64), temperature=0.1)
    assert (use.rows, use.used) == (64, 64)
    assert use.perplexity == pytest.approx(64)
    assert use.entropy == pytest.approx(0, abs=1e-6)
    assert use.information == pytest.approx(math.log(64))


def test_one_hot_assignments_to_one_prototype():
    logits = torch.zeros(10, 64)
    logits[:, 5] = 100
    use = prototype_use(logits, temperature=0.1)
    assert (use.used, use.perplexity) == (1, 1)
    assert use.entropy_of_mean == pytest.approx(0, abs=1e-6)


def test_rows_sampled_for_entropies():
    logits = torch.randn(1000, 16, generator=torch.Generator().manual_seed(0))
    whole, part = (prototype_use(logits, temperature=0.5, max_rows=n) for n in (1000, 300))
    assert (part.rows, part.used, part.perplexity) == (whole.rows, whole.used, whole.perplexity)
    assert part.entropy == pytest.approx(whole.entropy, rel=0.1)
    assert len(evenly(logits, 300)) == 250
    assert evenly(logits, 1000) is not None
    assert len(evenly(logits[:0], 5)) == 0


def test_no_masked_patch():
    use = prototype_use(torch.zeros(0, 16), temperature=0.1)
    assert (use.rows, use.used) == (0, 0)
    assert math.isnan(use.information)


def test_agreement_is_that_of_different_crops():
    teacher = torch.eye(4)[torch.tensor([[0, 1, 2], [0, 1, 3]])]  # [2 crops, 3 images, 4 prototypes]
    assert agreement(teacher, teacher) == pytest.approx(2 / 3)
    assert agreement(teacher.flip(0), teacher) == 1
    assert cosine_agreement(teacher, 5 * teacher) == pytest.approx(2 / 3)
    assert agreement(teacher[:1], teacher[:1]) == 1  # one crop is compared with itself


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path):
    on_processes(on_process, tmp_path)
    expected = torch.tensor(measure(**tensors()))
    for rank in range(2):
        assert_close(torch.tensor(torch.load(tmp_path / f"{rank}.pt")), expected)
