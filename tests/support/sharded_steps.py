"""Steps of a network that two processes share out; light to import, for new processes do."""

import copy

import torch
import torch.distributed as dist

from meddino_components.networks import DinoVisionTransformer
from meddino_components.placement.sharding import is_sharded, load_whole_state, shard, whole_state

CPU = torch.device("cpu")


def network_and_optimizer(seed, on_its_device=lambda network: network):
    """With momentum, so that the optimiser has a state."""
    torch.manual_seed(seed)
    network = DinoVisionTransformer(embed_dim=16, depth=2, num_heads=2, in_chans=1, layerscale_init=1.0)
    network = on_its_device(network)
    return network, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)


def images():
    return torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def step(network, optimizer, batch):
    optimizer.zero_grad()
    loss = network(batch).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def states(network, optimizer):
    return whole_state(network, network), whole_state(optimizer, network)


def precision_within_blocks(network):
    """Of a block's parameters while it computes."""
    seen = []
    network.blocks[0].norm1.register_forward_hook(lambda module, *_: seen.append(module.weight.dtype))
    with torch.no_grad():
        network(images())
    return str(seen[0])


def on_process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    share = images()[2 * rank : 2 * rank + 2]
    network, optimizer = network_and_optimizer(0, lambda network: shard(network, CPU))
    found = {
        "sharded": is_sharded(network),
        "numbers": {name: parameter.to_local().numel() for name, parameter in network.named_parameters()},
        "start": whole_state(network, network),
        "loss": step(network, optimizer, share),
        "precision": {
            amp: precision_within_blocks(shard(network_and_optimizer(0)[0], CPU, amp)) for amp in (True, False)
        },
    }
    found["network"], found["optimizer"] = states(network, optimizer)
    # a run that goes on from these states
    other, its_optimizer = network_and_optimizer(5, lambda network: shard(network, CPU))
    # a copy, since torch puts this process' parts in the place of what it is given
    sent = [copy.deepcopy([found["network"], found["optimizer"]])]
    dist.broadcast_object_list(sent, src=0)
    load_whole_state(other, sent[0][0], other)
    load_whole_state(its_optimizer, sent[0][1], other)
    found["further"] = [step(*run, share) for run in ((network, optimizer), (other, its_optimizer))]
    found["further states"] = [states(network, optimizer)[0], states(other, its_optimizer)[0]]
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
