"""Models of a sweep: their names, controls, cost, and what tells them apart."""

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.networks import vit_backbone
from meddino_components.probing import SweepModels
from meddino_components.probing.sweep.models import encoding_flops

SMALL = {"name": "small", "backbone": "vit_tiny", "random_start": {"depth": 1}, "weights": "random"}


def test_a_model_that_is_not_understood():
    with pytest.raises(InputError, match="of models has weight; known are name, weights, backbone"):
        SweepModels(models=[{"weight": "random"}])
    names = SweepModels(models=[{"weights": "dinov3-s"}, {"backbone": "vit_mini"}, {"name": "mine"}]).names()
    assert names == ["dinov3-s", "vit_mini", "mine"]


def test_the_controls_are_another_random_network_and_raw_pixels():
    models = SweepModels(models=[SMALL], seed=3)
    encoder, (twin, pixels) = models.encoder_and_controls("small")
    again, _ = models.encoder_and_controls("small")
    assert (encoder.name, twin.name, pixels.name) == ("small", "random weights", "raw pixels")
    assert encoder.digest == again.digest != twin.digest
    assert pixels.patch_size == encoder.patch_size
    # the twin of one seed is the encoder of the next
    assert twin.digest == SweepModels(models=[SMALL], seed=4).encoder_and_controls("small")[0].digest
    images = torch.rand(1, 3, 32, 32)
    assert not torch.equal(encoder.encode(images)[0], twin.encode(images)[0])


def test_parameters_are_those_of_the_network():
    expected = sum(p.numel() for p in vit_backbone("vit_tiny", depth=1).parameters())
    assert SweepModels(models=[SMALL]).parameters("small") == expected
    encoder, _ = SweepModels(models=[SMALL]).encoder_and_controls("small")
    assert encoding_flops(encoder, 64) > 3 * encoding_flops(encoder, 32) / 2 > 0


def test_the_identity_follows_what_changes_a_score(tmp_path):
    def identity(seed=0, amp=False, device="cpu", **changes):
        models = SweepModels(models=[{**SMALL, **changes}], seed=seed, amp=amp, device=device)
        return models.identity("small")

    assert identity() == identity(device="cuda")
    others = [identity(seed=1), identity(amp=True), identity(random_start={"depth": 2}), identity(intensity="picture")]
    assert all(other != identity() for other in others)
    path = tmp_path / "weights.pt"
    torch.save(vit_backbone("vit_tiny", depth=1).state_dict(), path)
    with_weights = SweepModels(models=[{"name": "small", "weights": str(path)}])
    first = with_weights.identity("small")
    torch.save(vit_backbone("vit_tiny", depth=1).state_dict(), path)
    assert with_weights.identity("small") != first
