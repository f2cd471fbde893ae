"""A network of another library becomes an encoder after it was tried at its own size and the next."""

import os

import pytest
import torch
from torch import nn

from meddino_components.embeddings.loaded_networks import (
    LoadedNetwork,
    as_frozen_encoder,
    import_library,
    not_loaded,
    one_side,
    tensors_only,
)
from meddino_components.errors import InputError


def loaded(*, only=None, n_extra=0, patch_size=4, own_size_px=8):
    network = nn.Linear(3, 2)

    def encode(images):
        if only not in (None, images.shape[-1]):
            raise AssertionError("another size")
        cells = nn.functional.avg_pool2d(images, patch_size).flatten(2).movedim(1, 2)
        patches = network(cells)
        return patches.mean(1), torch.cat([patches, patches[:, :n_extra]], 1)

    return LoadedNetwork(
        network=network,
        encode=encode,
        patch_size=patch_size,
        own_size_px=own_size_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
    )


def made(network, *, size_px=None, amp=False):
    return as_frozen_encoder(network, source="lib:net", device="cpu", amp=amp, size_px=size_px)


def test_an_encoder_of_any_size():
    network = loaded()
    found = made(network)
    assert (found.name, found.patch_size, found.intensity, found.fixed_size_px) == ("lib:net", 4, "picture", None)
    vectors, patches = found.encode(torch.zeros(2, 1, 12, 12))
    assert (vectors.shape, patches.shape) == ((2, 2), (2, 9, 2))
    assert not any(parameter.requires_grad for parameter in network.network.parameters())


def test_the_digest_knows_weights_and_precision():
    network = loaded()
    assert made(network).digest == made(network).digest
    assert made(network).digest != made(network, amp=True).digest
    assert made(network).digest != made(loaded()).digest


def test_a_network_of_one_size_alone():
    assert made(loaded(only=8)).fixed_size_px == 8
    assert made(loaded(only=8), size_px=8).fixed_size_px == 8
    with pytest.raises(InputError, match="lib:net: takes images of 8 x 8 alone, and size_px is 16; set it to 8"):
        made(loaded(only=8), size_px=16)


def test_a_network_without_a_grid_of_patches():
    with pytest.raises(InputError, match=r"gives \[1, 2\] and \[1, 5, 2\] for 8 x 8 pixels; expected .* \[1, 4, D\]"):
        made(loaded(n_extra=1))
    with pytest.raises(InputError, match=r"fails at 8 x 8 pixels \(AssertionError: another size\)"):
        made(loaded(only=7))


def test_sides_that_differ_and_libraries_that_are_not_there():
    assert one_side([14, 14], what="patch", source="a") == one_side(14, what="patch", source="a") == 14
    with pytest.raises(InputError, match=r"a: patch is \[14, 16\]; expected the same for rows and columns"):
        one_side([14, 16], what="patch", source="a")
    with pytest.raises(InputError, match="lib:net: no_such_library cannot be imported"):
        import_library("no_such_library", source="lib:net")


def test_what_failed_is_said_in_one_line():
    message = str(not_loaded("lib:net", ValueError("a\n  b")))
    assert message.startswith("lib:net: cannot be loaded (ValueError: a b). Check the name")
    assert "\n" not in message


def test_torch_reads_tensors_alone_meanwhile(monkeypatch):
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    with tensors_only():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
