import pytest
import torch

from meddino_components.checkpoints.matching import backbone_hints, compare
from meddino_components.networks import vit_backbone


def test_lists_are_cut_and_counted():
    target = {f"blocks.{index}": torch.zeros(1) for index in range(9)}
    (line,) = compare({}, target).lines(strict=True)
    assert line == "9 missing from the file: blocks.0, blocks.1, blocks.2, blocks.3, blocks.4, ... and 4 more"


def test_all_kinds_of_difference():
    tensors = {
        "same": torch.zeros(2),
        "new": torch.ones(1),
        "wide": torch.zeros(3),
        "nan": torch.tensor([float("nan")]),
    }
    target = {"same": torch.zeros(2), "gone": torch.ones(1), "wide": torch.zeros(2), "nan": torch.zeros(1)}
    assert compare(tensors, target).lines(strict=True) == [
        "1 missing from the file: gone",
        "1 unexpected: new",
        "1 of the wrong shape: wide is [3], the network has [2]",
        "1 with NaN or infinite values: nan",
    ]
    assert len(compare(tensors, target).lines(strict=False)) == 2


@pytest.mark.parametrize(
    ("file_has", "network_has", "hint"),
    [
        ({"qkv_bias": False}, {}, "without biases of queries, keys and values"),
        ({}, {"qkv_bias": False}, "with biases of queries, keys and values"),
        ({"n_storage_tokens": 0}, {}, "without storage tokens"),
        ({"n_storage_tokens": 3}, {"n_storage_tokens": 0}, "with storage tokens"),
        ({}, {"untie_global_and_local_cls_norm": True}, "without a norm for the CLS token of local crops"),
        ({"untie_cls_and_patch_norms": True}, {}, "with a norm for the CLS token"),
        ({"layerscale_init": None}, {}, "without LayerScale"),
        ({"ffn_bias": False}, {}, "without biases in the feed-forward networks"),
        ({"proj_bias": False}, {}, "without biases of the attention's output"),
    ],
)
def test_one_hint_for_each_difference(tiny_vit, file_has, network_has, hint):
    """It leads to the network that fits, not to a setting that no user can reach."""
    tensors, target = tiny_vit(**file_has).state_dict(), tiny_vit(**network_has).state_dict()
    hints = backbone_hints(compare(tensors, target), tensors, target)
    assert hints == [f"the file belongs to a network {hint}: build the network from the weights (backbone_of)"]


def test_another_preset_is_named():
    with torch.device("meta"):
        large, base = vit_backbone("vit_large").state_dict(), vit_backbone("vit_base").state_dict()
    differences = compare({}, {})
    (hint,) = backbone_hints(differences, large, base)
    assert "the file is vit_large (1024 wide, 24 blocks, mlp), the network is vit_base (768 wide" in hint
