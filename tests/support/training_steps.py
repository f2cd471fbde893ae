"""A step of a tiny segmenter, and how equal two of them are."""

import pytest
import torch
from monai.losses import DiceCELoss
from torch.testing import assert_close

from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter
from meddino_components.placement import unwrap

LOSSES = {
    "classes": DiceCrossEntropyLoss(num_classes=3, class_balance=0.5),
    "regions": RegionDiceCrossEntropyLoss(regions=((1, 2), (2,), (2,)), class_balance=0.5),
    "monai": DiceCELoss(to_onehot_y=True, softmax=True, batch=True),
}


def segmenter(**backbone):
    """In double precision: a first step of AdamW is as long for a gradient that is rounding alone."""
    torch.manual_seed(0)
    tiny = {"embed_dim": 32, "depth": 2, "num_heads": 2, "layerscale_init": 1.0, **backbone}
    return (
        MedDinoSegmenter(backbone=DinoVisionTransformer(**tiny), num_classes=3, interaction_indices=[0, 1])
        .train()
        .double()
    )


def batch(n=8):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (n, 1, 32, 32), generator=generator)
    labels[:3] = 0  # classes fall unevenly on the pieces, so that losses of pieces alone would differ
    return torch.randn(n, 1, 32, 32, generator=generator, dtype=torch.float64), labels


def step(network, loss, images, labels):
    """Loss, gradients and the weights after a step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    value = loss(network(images), labels)
    value.backward()
    plain = unwrap(network)
    gradients = {name: parameter.grad.clone() for name, parameter in plain.named_parameters()}
    optimizer.step()
    return value.item(), gradients, plain.state_dict()


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    for part, other in zip(found[1:], expected[1:], strict=True):
        assert part.keys() == other.keys()
        for name, tensor in other.items():
            size = tensor.abs().max().item()
            assert_close(part[name], tensor, rtol=1e-5, atol=1e-5 * size, msg=lambda text, name=name: f"{name}: {text}")
