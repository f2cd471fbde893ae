"""Everything of losses that needs other processes, on one of several; light to import, for new processes do."""

import segmentation_losses
import self_distillation_losses
import torch
import torch.distributed as dist

from meddino_components.losses import KoLeoLoss
from meddino_components.losses.batch_sums import sum_over_processes
from meddino_components.losses.collectives import parts_of_all, sum_of_all


def values_of(rank):
    """Two numbers of a process."""
    return torch.tensor([1.0 + rank, 10.0 * (1 + rank)], dtype=torch.float64)


def with_gradient(rank, function):
    """What a function of this process' two numbers gives, and the gradient of its own loss (of rank + 1 times that)."""
    own = values_of(rank).requires_grad_()
    found = function(own)
    ((rank + 1) * found.square()).sum().backward()
    return found.detach(), own.grad


def of_collectives(rank):
    with torch.no_grad():
        apart = sum_over_processes(values_of(rank))
    return {
        "sum_of_all": with_gradient(rank, sum_of_all),
        "sum_over_processes": with_gradient(rank, sum_over_processes),
        "without gradients": apart,
        # not contiguous, as a column of a matrix
        "parts_of_all": with_gradient(rank, lambda own: torch.stack(parts_of_all(torch.stack((own, own), 1)[:, 0]))),
    }


def on_process(rank, folder):
    """One of two processes that compute every loss."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {
        "segmentation": segmentation_losses.results(rank, 2),
        "self-distillation": self_distillation_losses.results(rank, 2),
        "collectives": of_collectives(rank),
    }
    torch.save(found, f"{folder}/{rank}.pt")
    # networks went before their group: otherwise one is the last to hold it, and joins a thread that waits for Python
    dist.destroy_process_group()


def koleo_on_process_of_four(rank, folder):
    """Neighbours in groups of one and of two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=4)
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.save([KoLeoLoss(ranks_per_group=n)(x[rank]).item() for n in (1, 2)], f"{folder}/{rank}.pt")
    dist.destroy_process_group()
