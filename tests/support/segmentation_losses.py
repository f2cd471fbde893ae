"""A step with each segmentation loss, alone or on a process of several; light to import, for new processes do."""

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from meddino_components.ignored_label import IGNORE
from meddino_components.losses import DiceCrossEntropyLoss, RegionDiceCrossEntropyLoss

LOSSES = {
    "classes": DiceCrossEntropyLoss(num_classes=4, class_balance=0.5),
    "regions": RegionDiceCrossEntropyLoss(regions=((1, 2, 3), (1, 3), (3,), (3,)), class_balance=0.5),
    "partial classes": DiceCrossEntropyLoss(num_classes=4, class_balance=0.5),
    "partial regions": RegionDiceCrossEntropyLoss(regions=((1, 2, 3), (1, 3), (3,), (3,)), class_balance=0.5),
}
# what was annotated in each sample; each process knows another class or region alone
ANNOTATED = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]).bool()


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
    if "partial" in name:
        first = 0 if torch.equal(images[0], network_and_images()[1][0]) else 2
        labels = labels.clone()
        labels[:, :, 7] = IGNORE
        loss = LOSSES[name](network(images), labels, ANNOTATED[first : first + len(labels)])
    else:
        loss = LOSSES[name](network(images), labels)
    loss.backward()
    return loss.item(), [p.grad.clone() for p in network.parameters()]


def results(rank, n_processes):
    """Value and gradients of each loss for this process' share of the images."""
    network, images, labels = network_and_images()
    n = len(images) // n_processes
    share = slice(n * rank, n * (rank + 1))
    network = DistributedDataParallel(network)
    return {name: step(network, images[share], labels[share], name) for name in LOSSES}
