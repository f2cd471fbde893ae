import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from meddino_components.checkpoints import adapt_patch_embedding


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
