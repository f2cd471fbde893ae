"""One step of a small network, alone or on a process of several; light to import, for new processes do."""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss

LOSSES = {
    "classes": DiceCrossEntropyLoss(num_classes=4, class_balance=0.5),
    "regions": RegionDiceCrossEntropyLoss(regions=((1, 2, 3), (1, 3), (3,), (3,)), class_balance=0.5),
}


def network_and_images():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 4, 1))
    images = torch.randn(4, 1, 8, 8)
    # processes see classes very unevenly, so that a loss of each alone would differ
    labels = torch.zeros(4, 1, 8, 8, dtype=torch.long)
    labels[0, :, :6] = 1
    labels[2, :, :1, :2] = 2
    labels[3, :, 4:] = 3
    return network, images, labels


def step(network, images, labels, name):
    network.zero_grad()
    loss = LOSSES[name](network(images), labels)
    loss.backward()
    return loss.item(), [p.grad.clone() for p in network.parameters()]


def on_process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network, images, labels = network_and_images()
    share = slice(2 * rank, 2 * rank + 2)
    network = DistributedDataParallel(network)
    results = {name: step(network, images[share], labels[share], name) for name in LOSSES}
    torch.save(results, f"{folder}/{rank}.pt")
    # before its group: otherwise it is the last to hold it, and joins a thread that waits for the interpreter's lock
    del network
    dist.destroy_process_group()
