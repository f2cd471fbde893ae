"""A row a checkpoint, in colours that agree."""

import numpy as np
import pytest
import torch
from planted_scans import grey_encoder, planted_slice

from meddino_components.errors import InputError
from meddino_components.figures import checkpoint_maps, draw_checkpoints, resolution_colours

POINT = (0.31, 0.5)


def test_other_axes_give_the_same_colours(tmp_path):
    slice_ = planted_slice(tmp_path)
    turn = -torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3))).Q
    turned, plain = grey_encoder(name="turned", turn=turn), grey_encoder(name="plain")
    first, last = checkpoint_maps(iter([turned, plain]), slice_, [POINT], 128)
    assert (first.name, last.name) == ("turned", "plain")
    # three tissues span two components
    np.testing.assert_allclose(first.rgb[..., :2], last.rgb[..., :2], atol=1e-3)
    np.testing.assert_allclose(first.similarities, last.similarities, atol=1e-5)
    # the last row is what it would be alone
    alone = resolution_colours(plain, [slice_], [128]).rgb[0][0]
    np.testing.assert_allclose(last.rgb, alone, atol=1e-6)
    assert last.explained == pytest.approx(1)


def test_every_checkpoint_has_its_own_maps(tmp_path):
    slice_ = planted_slice(tmp_path)
    blind = torch.eye(4)
    blind[2] = blind[1]  # does not tell liver from body
    first, last = checkpoint_maps([grey_encoder(turn=blind), grey_encoder()], slice_, [POINT], 128)
    assert (first.similarities > 0.99).sum() > 2 * (last.similarities > 0.99).sum() > 0


def test_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="at least one encoder"):
        checkpoint_maps([], planted_slice(tmp_path), [POINT], 64)


def test_rows_are_named(tmp_path):
    path = tmp_path / "a.svg"
    encoders = [grey_encoder(name=name) for name in ("random weights (vit_mini, seed 0)", "iteration 500")]
    draw_checkpoints(path, encoders=encoders, slice_=planted_slice(tmp_path), points=[POINT], size_px=64, dpi=60)
    text = path.read_text(encoding="utf-8")
    for said in ("iteration 500", "random weights", "CT, slice 2", "similarity to point 1", "cosine similarity"):
        assert said in text
