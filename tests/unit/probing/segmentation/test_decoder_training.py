"""Decoders on planted maps: what is there is learnt, what is not there is not, and the same seed gives the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_cases import PATCH, planted_case

from meddino_components.errors import InputError
from meddino_components.evaluation import Dice, score_case
from meddino_components.probing.segmentation.decoder_training import DecoderTraining, train_decoder
from meddino_components.probing.segmentation.decoders import LinearDecoder, PlaneDecoder, VolumeDecoder
from meddino_components.probing.segmentation.map_crops import MapCrops
from meddino_components.probing.segmentation.prediction import predict_labels

TRAINING = DecoderTraining(iterations=60, learning_rate=1e-2, slices_per_batch=8, depth=4)


def trained(decoder, *, planted=True, training=TRAINING, losses=None):
    return train_decoder(
        decoder,
        [planted_case(k, planted=planted) for k in range(6)],
        training=training,
        n_classes=3,
        patch_size=PATCH,
        on_step=(lambda loss: None) if losses is None else losses.append,
    )


def dice(decoder, case, **settings):
    native, fitted = predict_labels(decoder, case, device="cpu", **settings)
    np.testing.assert_array_equal(native, fitted)  # the same grid here
    scores = score_case(
        native.transpose(1, 2, 0),
        case.labels.native.transpose(1, 2, 0),
        spacing_mm=(1, 1, 2),
        label_names=["background", "a", "b"],
        case_id=case.case_id,
        metrics=[Dice()],
    )
    return float(np.nanmean([score.values["dice"] for score in scores]))


@pytest.mark.parametrize("decoder", [LinearDecoder(), PlaneDecoder(), VolumeDecoder()], ids=lambda one: one.name)
def test_planted_classes_are_found_on_new_cases(decoder):
    losses = []
    found = dice(trained(decoder, losses=losses), planted_case(100))
    assert found > 0.85
    assert len(losses) == TRAINING.iterations
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_where_nothing_is_planted_nothing_is_found():
    assert dice(trained(LinearDecoder(), planted=False), planted_case(100, planted=False)) < 0.25


def test_the_same_seed_gives_the_same_decoder_and_leaves_the_global_state():
    short = DecoderTraining(iterations=3, learning_rate=1e-2, slices_per_batch=8, depth=4)
    state = torch.random.get_rng_state()
    settings = [replace(short, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (trained(VolumeDecoder(), training=training).state_dict() for training in settings)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_learning_rate_falls_to_nothing_along_a_cosine():
    """Steps after the last would change no weight: the sum of changes is that of the schedule."""
    rates = []
    optimizer = torch.optim.AdamW.step

    def record(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return optimizer(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", record)
        trained(
            LinearDecoder(), training=DecoderTraining(iterations=10, learning_rate=0.5, slices_per_batch=4, depth=4)
        )
    expected = 0.25 * (1 + np.cos(np.pi * np.arange(10) / 10))
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_an_error_while_a_batch_is_read_ends_the_training(monkeypatch):
    read = MapCrops.batch

    def fail(self, number):
        if number == 3:
            raise OSError("disk is gone")
        return read(self, number)

    monkeypatch.setattr(MapCrops, "batch", fail)
    losses = []
    with pytest.raises(OSError, match="disk is gone"):
        trained(LinearDecoder(), losses=losses)
    assert len(losses) == 3


def test_a_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        trained(
            LinearDecoder(), training=DecoderTraining(iterations=40, learning_rate=1e30, slices_per_batch=8, depth=4)
        )


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("iterations", 0, "1 or more"),
        ("slices_per_batch", 0, "1 or more"),
        ("depth", -1, "1 or more"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("weight_decay", -0.1, "0 or more"),
        ("foreground_fraction", 1.5, "0 to 1"),
        ("foreground_fraction", -0.5, "0 to 1"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(setting, value, expected):
    with pytest.raises(InputError, match=f"{setting} is {value}, expected {expected}"):
        DecoderTraining(**{setting: value})
    DecoderTraining(iterations=1, slices_per_batch=1, depth=1, weight_decay=0, foreground_fraction=1)


def test_the_device_is_no_part_of_the_identity_and_bfloat16_is_for_gpus():
    on_cpu, on_gpu = (DecoderTraining(device=device, amp=True) for device in ("cpu", "cuda"))
    assert (on_cpu.in_bfloat16, on_gpu.in_bfloat16) == (False, True)
    assert on_cpu.identity() == DecoderTraining().identity()
    assert DecoderTraining(device="cuda").identity() == DecoderTraining().identity()
    assert on_gpu.identity() != on_cpu.identity()
