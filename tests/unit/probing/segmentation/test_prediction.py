"""Labels of whole cases, a block of slices at a time, on both grids."""

from dataclasses import replace

import numpy as np
import pytest
from planted_cases import PATCH, planted_case

from meddino_components.probing.segmentation.decoder_training import DecoderTraining, train_decoder
from meddino_components.probing.segmentation.decoders import VolumeDecoder
from meddino_components.probing.segmentation.prediction import predict_labels


@pytest.fixture(scope="module")
def decoder():
    cases = [planted_case(k) for k in range(6)]
    training = DecoderTraining(iterations=60, learning_rate=1e-2, slices_per_batch=8, depth=4)
    return train_decoder(
        VolumeDecoder(), cases, training=training, n_classes=3, patch_size=PATCH, on_step=lambda loss: None
    )


def test_the_size_of_blocks_changes_nothing_because_they_carry_their_neighbours(decoder):
    case = planted_case(100, slices=11)
    whole, _ = predict_labels(decoder, case, device="cpu", block_slices=11)
    assert len(np.unique(whole)) == 3
    for block in (1, 4):
        np.testing.assert_array_equal(predict_labels(decoder, case, device="cpu", block_slices=block)[0], whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "halo_slices", 0)
        assert (predict_labels(decoder, case, device="cpu", block_slices=1)[0] != whole).any()


def test_labels_on_the_cases_own_grid_are_those_of_the_square_without_what_was_filled_up(decoder):
    """A case of half as many rows: the square holds it in its middle, a pixel of it for a pixel."""
    case = planted_case(101)
    side = case.labels.fitted.shape[-1]
    labels = replace(case.labels, stored_native=np.zeros((case.n_slices, side // 2, side), np.uint8))
    native, fitted = predict_labels(decoder, replace(case, labels=labels), device="cpu")
    assert native.shape == (case.n_slices, side // 2, side)
    np.testing.assert_array_equal(native, fitted[:, side // 4 : side // 4 + side // 2])
