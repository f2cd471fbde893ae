"""Small networks of other libraries, with random weights, none of which is zero or one."""

import pytest
import torch

from meddino_components.embeddings.torchvision_pairing import import_torchvision


def library(name):
    """The library, or a skipped file of tests."""
    import_torchvision()
    return pytest.importorskip(name, reason=f"{name} comes with the extra 'benchmark'")


def with_random_weights(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def images(side, n=2, seed=1):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def encoded(encoder, batch):
    return encoder.encode(batch)
