"""Labels of patches by hand; features land where their patch is."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.embeddings import backbone_encoder, pixel_encoder
from meddino_components.errors import InputError
from meddino_components.features.patch_features import IGNORED, extract_features, patch_labels
from meddino_components.networks import vit_backbone


def slice_of(image, label=None, **more):
    return {"image": image, **({} if label is None else {"label": label}), **more}


def test_labels_of_patches():
    label = torch.zeros(1, 1, 8, 13, dtype=torch.uint8)
    label[..., :4, 4:8] = 3  # all of a patch
    label[..., 4:6, :4] = 1  # half of one: the lower class wins
    label[..., 4:7, 4:8] = 2  # three quarters
    label[..., 4:8, 8:11] = 9
    label[..., 4:6, 11] = 5
    found = {p: patch_labels(label, patch_size=4, min_purity=p)[0].tolist() for p in (0.0, 0.5, 0.75, 0.8, 1.0)}
    assert found[0.0] == found[0.5] == [0, 3, 0, 0, 2, 9]
    assert found[0.75] == [0, 3, 0, IGNORED, 2, 9]
    assert found[0.8] == found[1.0] == [0, 3, 0, IGNORED, IGNORED, IGNORED]


def test_pixels_of_patches():
    image = torch.arange(2 * 8 * 12, dtype=torch.float32).view(1, 2, 8, 12)
    whole, patches = pixel_encoder(patch_size=4, side=4)(image)
    assert patches.shape == (1, 6, 32)
    assert_close(patches[0, 5], image[0, :, 4:8, 8:12].flatten())
    _, means = pixel_encoder(patch_size=4, side=1)(image)
    assert_close(means[0, 1], image[0, :, :4, 4:8].mean((1, 2)))
    assert whole.shape == (1, 2 * 256)


def test_backbone_features_of_batches():
    torch.manual_seed(0)
    backbone = vit_backbone("vit_tiny", depth=1).eval()
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(5, 1, 32, 48, generator=generator)
    labels = torch.randint(3, (5, 1, 32, 48), generator=generator, dtype=torch.uint8)
    slices = [slice_of(i, m, unit=7 + k // 2) for k, (i, m) in enumerate(zip(images, labels, strict=True))]
    state = torch.get_rng_state()
    found = extract_features(
        backbone_encoder(backbone),
        slices,
        patch_size=16,
        n_classes=3,
        min_purity=0,
        include_background=True,
        batch_size=2,
    )
    assert torch.equal(torch.get_rng_state(), state)
    expected = backbone.forward_features(images.repeat(1, 3, 1, 1))
    assert_close(found.cls, expected["x_norm_clstoken"])
    assert_close(found.patches, expected["x_norm_patchtokens"])
    assert_close(found.mean_patch, expected["x_norm_patchtokens"].mean(1))
    assert found.grid == (2, 3)
    assert not found.patches.requires_grad
    features, classes, units = found.labelled_patches()
    assert len(features) == len(classes) == 5 * 6
    assert units[::6].tolist() == [7, 7, 8, 8, 9]
    assert found.presence.all()


@pytest.mark.parametrize(("include_background", "kept"), [(True, 4), (False, 1)])
def test_background_and_presence(include_background, kept):
    label = torch.zeros(1, 8, 8, dtype=torch.uint8)
    label[:, :4, :4] = 2
    label[:, 7, 7] = 3
    found = extract_features(
        pixel_encoder(patch_size=4),
        [slice_of(torch.zeros(1, 8, 8), label)],
        patch_size=4,
        n_classes=4,
        include_background=include_background,
    )
    assert len(found.labelled_patches()[0]) == kept
    assert found.presence.tolist() == [[False, True, True]]


def test_slices_without_labels():
    found = extract_features(pixel_encoder(patch_size=4), [slice_of(torch.zeros(1, 8, 8))] * 3, patch_size=4)
    assert found.patch_labels is None
    assert found.units.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="no labels"):
        found.labelled_patches()


def test_bad_input():
    with pytest.raises(ValueError, match="no slices"):
        extract_features(pixel_encoder(patch_size=4), [], patch_size=4)
    bad = slice_of(torch.zeros(1, 8, 8), torch.full((1, 8, 8), 9), case_id="a7")
    with pytest.raises(InputError, match="case a7: label 9"):
        extract_features(pixel_encoder(patch_size=4), [bad], patch_size=4, n_classes=4)
