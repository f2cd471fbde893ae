"""A network that two processes share out trains as it does on one, and leaves the states of one."""

import copy

import pytest
import torch
from several_processes import on_processes
from sharded_steps import images, network_and_optimizer, on_process, states, step
from torch.testing import assert_close

from meddino_components.placement import on_device
from meddino_components.placement.sharding import is_sharded, load_whole_state, whole_state


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """What each of two processes found, by its rank."""
    folder = tmp_path_factory.mktemp("processes")
    on_processes(on_process, folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_each_process_holds_its_half_of_every_parameter(apart):
    network, _ = network_and_optimizer(0)
    for found in apart:
        assert found["sharded"]
        assert found["numbers"].keys() == dict(network.named_parameters()).keys()
    for name, parameter in network.named_parameters():
        halves = [found["numbers"][name] for found in apart]
        assert sum(halves) == parameter.numel()
        assert len(parameter) == 1 or halves[0] == halves[1]


def test_the_first_process_gets_the_state_of_one(apart):
    network, _ = network_and_optimizer(0)
    first, second = (found["start"] for found in apart)
    assert first.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(first[name], tensor), name
    assert second == {}


def test_a_step_is_that_of_one_process_with_the_doubled_batch(apart):
    network, optimizer = network_and_optimizer(0)
    loss = step(network, optimizer, images())
    assert sum(found["loss"] for found in apart) / 2 == pytest.approx(loss, rel=1e-5)
    for name, tensor in network.state_dict().items():
        assert_close(apart[0]["network"][name], tensor, rtol=1e-4, atol=1e-6)
    # the momentum after the first step is the gradient; names take the place of numbers
    momenta = {name: apart[0]["optimizer"]["state"][name]["momentum_buffer"] for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        assert_close(momenta[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_states_that_are_put_back_give_the_same_next_step(apart):
    for found in apart:
        assert found["further"][0] == found["further"][1] != found["loss"]
    went_on, put_back = apart[0]["further states"]
    for name, tensor in went_on.items():
        assert torch.equal(put_back[name], tensor), name


def test_parameters_are_gathered_in_bfloat16_where_that_is_asked_for(apart):
    for found in apart:
        assert found["precision"] == {True: "torch.bfloat16", False: "torch.float32"}


def test_of_a_network_that_is_not_shared_out_the_plain_states():
    network, optimizer = network_and_optimizer(0)
    assert not is_sharded(network)
    step(network, optimizer, images())
    kept = copy.deepcopy(states(network, optimizer))
    expected = step(network, optimizer, images())
    other, its_optimizer = network_and_optimizer(5)
    # names in a state do not depend on what is put round a network
    pieces = on_device(other, "cpu", accumulation_steps=2)
    assert whole_state(pieces, pieces).keys() == kept[0].keys()
    load_whole_state(pieces, kept[0], pieces)
    load_whole_state(its_optimizer, kept[1], pieces)
    assert step(other, its_optimizer, images()) == expected
    assert torch.equal(other.cls_token, network.cls_token)
