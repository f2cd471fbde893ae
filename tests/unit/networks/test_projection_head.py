"""The projection head."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.networks import DINOHead

SMALL = {"in_dim": 6, "out_dim": 5, "hidden_dim": 8, "bottleneck_dim": 4}


@pytest.mark.parametrize(
    ("nlayers", "mlp_bias", "keys"),
    [
        (1, True, {"mlp.weight", "mlp.bias"}),
        (2, False, {"mlp.0.weight", "mlp.2.weight"}),
        (3, True, {f"mlp.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")}),
    ],
)
def test_keys_are_those_of_the_public_checkpoints(nlayers, mlp_bias, keys):
    head = DINOHead(**SMALL, nlayers=nlayers, mlp_bias=mlp_bias)
    assert set(head.state_dict()) == keys | {"last_layer.weight"}


def test_parts_make_up_the_whole():
    torch.manual_seed(0)
    head = DINOHead(**SMALL)
    x = torch.randn(2, 3, 6)
    vectors = head(x, no_last_layer=True)
    assert_close(vectors.norm(dim=-1), torch.ones(2, 3))
    assert_close(head(vectors, only_last_layer=True), head(x))
    assert head(x).shape == (2, 3, 5)
    # no unit length is enforced on vectors from elsewhere, nor on the prototypes
    assert_close(head(2 * vectors, only_last_layer=True), 2 * head(x))


def test_a_vector_of_zeros_stays_finite():
    head = DINOHead(**SMALL, mlp_bias=False)
    assert not head(torch.zeros(1, 6)).any()


def test_initial_weights():
    torch.manual_seed(0)
    head = DINOHead(in_dim=64, out_dim=512, hidden_dim=256, bottleneck_dim=64)
    for name, parameter in head.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05)


def test_prototypes_may_start_with_unit_length():
    torch.manual_seed(0)
    head = DINOHead(in_dim=64, out_dim=512, hidden_dim=256, bottleneck_dim=64, prototype_std=64**-0.5)
    lengths = head.last_layer.weight.norm(dim=1)
    assert lengths.mean().item() == pytest.approx(1.0, rel=0.02)
    assert head.mlp[0].weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_refuses_an_mlp_without_layers():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        DINOHead(**SMALL, nlayers=0)
