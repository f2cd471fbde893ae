"""The encoder has a learning rate of its own."""

import torch
from torch import nn

from meddino_components.training import fine_tuning_groups


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.decoder = nn.Linear(2, 3), nn.Linear(3, 1)


def test_every_parameter_is_in_one_group():
    network = Parts()
    groups = fine_tuning_groups(network=network, encoder_learning_rate=1e-5)
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in network.backbone.parameters()} == {1e-5}
    assert {rates[id(p)] for p in network.decoder.parameters()} == {1e-3}
    assert len(rates) == sum(len(group["params"]) for group in groups) == 4


def test_a_network_without_an_encoder_is_one_group():
    (group,) = fine_tuning_groups(network=nn.Linear(2, 2), encoder_learning_rate=1e-5)
    assert len(group["params"]) == 2
    assert "lr" not in group
