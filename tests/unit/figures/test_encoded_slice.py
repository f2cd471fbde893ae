"""A slice's features at one size, coloured where the body is."""

import pytest
import torch
from planted_scans import grey_encoder, planted_slice

from meddino_components.errors import InputError
from meddino_components.figures.encoded_slice import basis_of, encode_slice


def test_patches_are_the_encoders_and_the_air_is_no_foreground(tmp_path):
    slice_ = planted_slice(tmp_path)
    encoded = encode_slice(grey_encoder(), slice_, 64)
    assert (encoded.patches.shape, encoded.grid) == ((256, 4), (16, 16))
    tissues = encoded.patches.argmax(1)
    # three tissues within the body; at its edge a patch is part air
    assert set(tissues[encoded.foreground].tolist()) >= {1, 2, 3}
    assert (tissues[~encoded.foreground] == 0).float().mean() > 0.95
    assert encoded.brightness[tissues == 3].min() > encoded.brightness[tissues == 1].max()
    assert encode_slice(grey_encoder(), slice_, 64, mask=False).foreground.all()


def test_colours_are_black_outside(tmp_path):
    encoded = encode_slice(grey_encoder(), planted_slice(tmp_path), 64)
    colours = encoded.colours(basis_of([encoded], what="a test"))
    assert colours.shape == (16, 16, 3)
    assert (colours.flatten(0, 1)[~encoded.foreground] == 0).all()
    assert torch.unique(colours.flatten(0, 1)[encoded.foreground].round(decimals=4), dim=0).shape[0] >= 3


def test_too_few_patches(tmp_path):
    encoded = encode_slice(grey_encoder(), planted_slice(tmp_path), 8)
    with pytest.raises(InputError, match=r"a test: the body fills \d patch(es)?, but three components need 4"):
        basis_of([encoded], what="a test")
