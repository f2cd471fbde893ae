"""Whether a network is recorded."""

import pytest
import torch

from meddino_components.networks.tracing import is_traced


class Noting(torch.nn.Module):
    """Adds 1 where it is recorded, so that the answer is in the recorded network for good."""

    def forward(self, x):
        return x + 1 if is_traced() else x


def recorded_by(kind, network):
    example = torch.zeros(2)
    if kind == "trace":
        return torch.jit.trace(network, example, check_trace=False)
    if kind == "export":
        return torch.export.export(network, (example,)).module()
    return torch.compile(network, backend="eager")


@pytest.mark.parametrize("kind", ["trace", "export", "compile"])
def test_only_while_it_is_recorded(kind):
    network = Noting()
    assert torch.equal(network(torch.zeros(2)), torch.zeros(2))
    assert torch.equal(recorded_by(kind, network)(torch.zeros(2)), torch.ones(2))
    # and not afterwards
    assert not is_traced()
    assert torch.equal(network(torch.zeros(2)), torch.zeros(2))
