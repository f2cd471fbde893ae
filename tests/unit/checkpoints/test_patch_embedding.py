import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from meddino_components.checkpoints import adapt_patch_embedding
from meddino_components.checkpoints.patch_embedding import resample_patch_embedding


@pytest.fixture
def weight():
    return torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("in_chans", [1, 2, 3, 4, 5, 6, 13])
def test_equal_channels_give_the_original_response(weight, in_chans):
    grey = torch.randn(2, 1, 16, 16)
    original = F.conv2d(grey.expand(-1, 3, -1, -1), weight, stride=4)
    adapted = F.conv2d(grey.expand(-1, in_chans, -1, -1), adapt_patch_embedding(weight, in_chans), stride=4)
    assert_close(adapted, original, rtol=1e-5, atol=2e-5)


def test_one_channel_is_the_sum(weight):
    assert_close(adapt_patch_embedding(weight, 1), weight.sum(1, keepdim=True))


def test_multiples_are_scaled_copies(weight):
    assert_close(adapt_patch_embedding(weight, 6), weight.repeat(1, 2, 1, 1) / 2)


def test_the_same_number_is_left_alone(weight):
    assert adapt_patch_embedding(weight, 3) is weight


def test_from_one_channel_and_dtype():
    weight = torch.randn(8, 1, 4, 4).to(torch.bfloat16)
    adapted = adapt_patch_embedding(weight, 3)
    assert adapted.dtype == torch.bfloat16
    assert_close(adapted.float(), (weight.float() / 3).expand(-1, 3, -1, -1), rtol=1e-2, atol=0)


def test_no_channels_is_refused(weight):
    with pytest.raises(ValueError, match="in_chans >= 1"):
        adapt_patch_embedding(weight, 0)


@pytest.mark.parametrize(("given", "wanted"), [(8, 16), (14, 16), (7, 16)])
def test_larger_patches_respond_to_the_resized_patch_as_before(given, wanted):
    torch.manual_seed(0)
    weight, patch = torch.randn(5, 3, given, given), torch.randn(2, 3, given, given)
    larger = F.interpolate(patch.double(), size=(wanted, wanted), mode="bilinear").float()
    resampled = resample_patch_embedding(weight, wanted)
    assert_close(F.conv2d(larger, resampled), F.conv2d(patch, weight), rtol=1e-4, atol=1e-4)


def test_smaller_patches_are_the_nearest_by_least_squares():
    """For random pixels of unit variance the squared error of a filter w' is |B^T w' - w|^2: no other one has less."""
    weight = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels = torch.eye(64).view(-1, 1, 8, 8)
    resize = F.interpolate(pixels, size=(4, 4), mode="bilinear", antialias=True).flatten(1)
    best = torch.linalg.lstsq(resize, weight.flatten()[:, None]).solution.view(1, 1, 4, 4)
    assert_close(resample_patch_embedding(weight, 4), best, rtol=1e-4, atol=1e-4)


def test_the_same_patch_size_is_left_alone_and_none_is_refused(weight):
    assert resample_patch_embedding(weight, 4) is weight
    with pytest.raises(ValueError, match="patch_size >= 1"):
        resample_patch_embedding(weight, 0)
