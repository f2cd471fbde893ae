"""Training and test slices are encoded alike, and labels are read only if probes learn from them."""

import pytest
import torch
from planted_slices import N_CLASSES, PATCH, planted_slices
from torch.testing import assert_close

from meddino_components.embeddings import pixel_encoder
from meddino_components.errors import InputError
from meddino_components.features import LabelledSlices
from meddino_components.features.patch_features import IGNORED, extract_features

NAMES = ["background", *(f"organ {k}" for k in range(1, N_CLASSES))]


def encoded(**settings):
    given = {"train": planted_slices(3), "test": planted_slices(5, seed=1), "label_names": NAMES, **settings}
    slices = LabelledSlices(**given)
    return slices, slices.encode(pixel_encoder(patch_size=PATCH), patch_size=PATCH)


def test_both_sides_are_as_extract_features_gives_them():
    slices, found = encoded(min_purity=0.9, include_background=True, batch_size=2)
    assert slices.n_classes == N_CLASSES
    for side, given in ((found.training, slices.train), (found.test, slices.test)):
        expected = extract_features(
            pixel_encoder(patch_size=PATCH),
            given,
            patch_size=PATCH,
            n_classes=N_CLASSES,
            min_purity=0.9,
            include_background=True,
        )
        assert_close(side.patches, expected.patches)
        assert torch.equal(side.patch_labels, expected.patch_labels)
    assert (found.test.patch_labels == 0).any()


def test_background_is_left_out_unless_asked_for():
    _, found = encoded()
    assert not (found.test.patch_labels == 0).any()
    assert (found.test.patch_labels == IGNORED).any()


def test_without_training_slices_no_label_is_read():
    test = [{"image": one["image"]} for one in planted_slices(2)]
    _, found = encoded(train=None, test=test, label_names=())
    assert found.training is None
    assert found.test.patch_labels is None
    assert found.test.patches.shape[0] == 2


def test_training_slices_need_names():
    with pytest.raises(InputError, match="label_names is empty, so n_classes is 0"):
        encoded(label_names=())
