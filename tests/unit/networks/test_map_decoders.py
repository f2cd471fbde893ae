"""Decoders of frozen maps: what a slice's logits depend on, and by which formula."""

import pytest
import torch
import torch.nn.functional as F

from meddino_components.networks.map_decoders import ConvMapDecoder, LinearMapDecoder, PseudoVolumeDecoder

DECODERS = {"linear": LinearMapDecoder, "conv_2d": ConvMapDecoder, "conv_3d": PseudoVolumeDecoder}
NAMES = tuple(DECODERS)


def decoder(name, *, levels=4, patch_size=8, channels=6, classes=3):
    torch.manual_seed(0)
    made = DECODERS[name](in_channels=channels, num_levels=levels, num_classes=classes, patch_size=patch_size)
    # statistics as after training: without them every normalisation would be the identity
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return made.eval()


def maps(*, levels=4, slices=9, side=5, channels=6, seed=1):
    return torch.randn(2, levels, channels, slices, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("patch_size", "levels"), [(16, 4), (14, 1), (8, 2)])
def test_every_patch_gets_its_pixels(name, patch_size, levels):
    logits = decoder(name, levels=levels, patch_size=patch_size)(maps(levels=levels, slices=3, side=4))
    assert logits.shape == (2, 3, 3, 4 * patch_size, 4 * patch_size)


@torch.no_grad()
def test_the_linear_decoder_is_a_linear_layer_between_normalisation_and_interpolation():
    made, given = decoder("linear"), maps()
    norm, layer = made.layers
    last = given[:, -1].movedim(1, -1)
    standardised = (last - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    scores = F.linear(standardised, layer.weight.flatten(1), layer.bias)  # [B, D, h, w, K]
    for k in range(given.shape[3]):
        plane = F.interpolate(scores[:, k].permute(0, 3, 1, 2), scale_factor=8, mode="bilinear")
        torch.testing.assert_close(made(given)[:, :, k], plane)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_a_slice_looks_at_its_halo_and_no_further(name):
    made, given = decoder(name), maps()
    changed = given.clone()
    changed[:, :, :, 4] += 1
    difference = (made(changed) - made(given)).abs().amax((0, 1, 3, 4))
    reached = [abs(k - 4) <= made.halo_slices for k in range(9)]
    assert (difference > 1e-4).tolist() == reached
    assert (difference[~torch.tensor(reached)] == 0).all()
    assert made.halo_slices == (2 if name == "conv_3d" else 0)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_a_block_with_its_halo_gives_what_the_volume_gives(name):
    made, given = decoder(name), maps()
    halo = made.halo_slices
    block = made(given[:, :, :, 3 - halo : 5 + halo])[:, :, halo : halo + 2]
    torch.testing.assert_close(block, made(given)[:, :, 3:5])


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_maps_moved_by_a_patch_move_the_labels_by_its_pixels(name):
    made, given = decoder(name), maps(side=9)
    moved = made(given.roll((1, -1), (-2, -1)))
    inside = slice(4 * 8, 5 * 8)  # far from what comes in at the edges
    torch.testing.assert_close(
        moved[..., inside, inside], made(given)[..., 3 * 8 : 4 * 8, 5 * 8 : 6 * 8], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("levels", "used"), [(4, [True] * 4), (5, [False, True, True, True, True])])
def test_the_3d_decoder_uses_a_level_for_each_doubling_from_the_last_backwards(levels, used):
    given = maps(levels=levels, slices=2, side=2).requires_grad_()
    decoder("conv_3d", levels=levels)(given).square().sum().backward()
    assert (given.grad.abs().amax((0, 2, 3, 4, 5)) > 0).tolist() == used


@pytest.mark.parametrize("name", ["linear", "conv_2d"])
def test_the_others_use_the_last_level_alone(name):
    given = maps().requires_grad_()
    decoder(name)(given).square().sum().backward()
    assert (given.grad.abs().amax((0, 2, 3, 4, 5)) > 0).tolist() == [False, False, False, True]
