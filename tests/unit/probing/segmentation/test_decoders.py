"""Decoders as a configuration lists them: their networks, their identities, and lists that are refused."""

from dataclasses import dataclass

import pytest
import torch

from meddino_components.errors import InputError
from meddino_components.probing.segmentation.decoders import (
    Decoder,
    LinearDecoder,
    PlaneDecoder,
    VolumeDecoder,
    check_decoders,
    suitable_decoders,
)

BUILT_IN = (LinearDecoder(), PlaneDecoder(), VolumeDecoder())


@pytest.mark.parametrize("decoder", BUILT_IN, ids=lambda one: one.name)
def test_the_network_takes_the_levels_that_its_decoder_reads(decoder):
    levels = decoder.levels_read(4)
    network = decoder.build(in_channels=6, num_levels=levels, num_classes=3, patch_size=8).eval()
    assert levels == (4 if decoder.name == "conv_3d" else 1)
    assert network(torch.zeros(1, levels, 6, 3, 2, 5)).shape == (1, 3, 3, 16, 40)
    # what a picture would lack
    assert (network.halo_slices > 0) == decoder.reads_neighbours


@pytest.mark.parametrize("kind", [PlaneDecoder, VolumeDecoder])
def test_the_width_reaches_the_network_and_the_identity(kind):
    sizes = {"in_channels": 6, "num_levels": 2, "num_classes": 3, "patch_size": 8}
    narrow, wide = (kind(width=width).build(**sizes).project for width in (16, 32))
    assert [one[-1].out_channels if kind is PlaneDecoder else one.out_channels for one in (narrow, wide)] == [16, 32]
    assert kind(width=16).identity() != kind(width=32).identity()
    assert kind(width=16).identity() == kind(width=16).identity()


def test_decoders_of_one_name_are_told_apart_by_their_class():
    assert LinearDecoder().identity() != PlaneDecoder(name="linear").identity()


def test_pictures_get_no_decoder_that_reads_neighbouring_slices():
    assert suitable_decoders(None, has_pictures=True) == BUILT_IN[:2]
    assert suitable_decoders(None, has_pictures=False) == BUILT_IN
    # unless the user lists it
    assert suitable_decoders([VolumeDecoder()], has_pictures=True) == (VolumeDecoder(),)


@dataclass
class Stranger:
    name: str = "stranger"


@pytest.mark.parametrize(
    ("decoders", "message"),
    [
        ([], r"decoders is \[\]; expected null or a list"),
        ("linear", "decoders is 'linear'; expected null or a list"),
        (["conv_3d"], "decoders contains 'conv_3d'; expected components"),
        ([LinearDecoder(), Stranger()], "decoders contains Stranger"),
        ([PlaneDecoder(), PlaneDecoder(width=8)], "decoders are named conv_2d, conv_2d; expected different names"),
        ([PlaneDecoder(name="a/b")], "decoder is named 'a/b'; expected letters, digits"),
    ],
)
def test_lists_that_are_refused(decoders, message):
    with pytest.raises(InputError, match=message):
        check_decoders(decoders)


@pytest.mark.parametrize(("kind", "width"), [(PlaneDecoder, 1), (VolumeDecoder, 0), (VolumeDecoder, "wide")])
def test_a_width_that_builds_nothing_is_refused(kind, width):
    with pytest.raises(InputError, match=f"width of {kind.__name__} is {width!r}; expected"):
        kind(width=width)


def test_a_decoder_has_to_say_how_its_network_is_built():
    with pytest.raises(TypeError, match="abstract"):
        Decoder(name="nothing")
