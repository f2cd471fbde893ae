"""Names of DDP, FSDP, torch.compile and activation checkpointing, round the network and within its blocks."""

import pytest
import torch

from meddino_components.checkpoints import load_backbone_weights, load_network_weights
from meddino_components.checkpoints.wrappers import without_wrappers
from meddino_components.errors import InputError


def within_blocks(wrapper):
    return lambda state: {
        key.replace("blocks.0.", f"blocks.0.{wrapper}.").replace("blocks.1.attn.", f"blocks.1.attn.{wrapper}."): value
        for key, value in state.items()
    }


def outside(prefix):
    return lambda state: {f"{prefix}{key}": value for key, value in state.items()}


WRAPPED = {
    "FSDP in blocks": within_blocks("_fsdp_wrapped_module"),
    "FSDP of checkpointed blocks": within_blocks("_fsdp_wrapped_module._checkpoint_wrapped_module"),
    "checkpointed blocks": within_blocks("_checkpoint_wrapped_module"),
    "compiled blocks": within_blocks("_orig_mod"),
    "DDP of FSDP": lambda state: outside("module._fsdp_wrapped_module.")(within_blocks("_fpw_module")(state)),
    "averaged": lambda state: {"n_averaged": torch.tensor(3), **outside("module.")(state)},
    "in a checkpoint": lambda state: {"model": outside("_orig_mod.module.")(within_blocks("_orig_mod")(state))},
}


@pytest.mark.parametrize("case", WRAPPED)
def test_weights_under_names_of_wrappers(tmp_path, tiny_vit, case):
    original, network = tiny_vit(seed=1), tiny_vit(seed=2)
    torch.save(WRAPPED[case](original.state_dict()), tmp_path / "weights.pt")
    load_backbone_weights(network, tmp_path / "weights.pt")
    assert all(torch.equal(value, original.state_dict()[key]) for key, value in network.state_dict().items())


def test_names_that_torch_itself_gives(tmp_path, tiny_vit):
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    original, network = tiny_vit(seed=1), tiny_vit(seed=2)
    expected = {key: value.clone() for key, value in original.state_dict().items()}
    original.blocks[0] = torch.compile(original.blocks[0])
    original.blocks[1].mlp = checkpoint_wrapper(original.blocks[1].mlp)
    state = torch.nn.DataParallel(original).state_dict()
    assert "module.blocks.0._orig_mod.norm1.weight" in state
    torch.save(state, tmp_path / "weights.pt")
    load_backbone_weights(network, tmp_path / "weights.pt")
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


def test_of_a_network_that_is_not_ours(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))
    expected = {key: value.clone() for key, value in network.state_dict().items()}
    torch.save({f"module.{key[:2]}_orig_mod.{key[2:]}": value for key, value in expected.items()}, tmp_path / "w.pt")
    torch.nn.init.zeros_(network[0].weight)
    load_network_weights(network, tmp_path / "w.pt")
    assert torch.equal(network[0].weight, expected["0.weight"])


class Part(torch.Tensor):
    """As DTensor is one."""


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"_fsdp_wrapped_module._flat_param": torch.zeros(3)}, r"flat parameters of FSDP .*full_state_dict=True"),
        ({"blocks.0._fsdp_wrapped_module.flat_param_0": torch.zeros(3)}, "flat parameters of FSDP"),
        (
            {"cls_token": torch.zeros(3).as_subclass(Part)},
            "cls_token is a Part, which is not supported: save whole tensors",
        ),
        ({"module.a": torch.zeros(1), "a": torch.zeros(1)}, "two tensors named a once wrappers are removed"),
    ],
)
def test_parts_of_tensors_and_two_networks_are_refused(tensors, message):
    with pytest.raises(InputError, match=f"^w: .*{message}"):
        without_wrappers(tensors, source="w")
