"""One step of self-distillation, alone or on a process of several; light to import, for new processes do."""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from meddino_components.losses import CenteredSoftmax, DINOLoss, GramLoss, IBOTPatchLoss, KoLeoLoss, sinkhorn_knopp

N_IMAGES, N_PATCHES, WIDTH, N_PROTOTYPES = 8, 6, 5, 9
# masks fall on the images of the first process only
MASKED = {0: 1, 1: 5, 3: 2}


def make_network():
    torch.manual_seed(3)
    return nn.Linear(WIDTH, N_PROTOTYPES)


def make_images():
    """Tokens of students and teachers, each [2 crops, N_IMAGES, 1 + N_PATCHES, WIDTH], and masks."""
    generator = torch.Generator().manual_seed(4)
    student, teacher = torch.randn(2, 2, N_IMAGES, 1 + N_PATCHES, WIDTH, generator=generator)
    masks = torch.zeros(2, N_IMAGES, N_PATCHES, dtype=torch.bool)
    for image, n_masked in MASKED.items():
        masks[image % 2, image, :n_masked] = True
    return student, teacher, masks


def step(network, student, teacher, masks):
    """Value of each loss on this process, gradients of their sum, and the teacher's probabilities."""
    n_images = student.shape[1]
    student_logits = network(student)
    with torch.no_grad():
        teacher_logits = teacher @ torch.linspace(-1, 1, WIDTH * N_PROTOTYPES).view(WIDTH, N_PROTOTYPES)
    probs = sinkhorn_knopp(teacher_logits[:, :, 0].flatten(0, 1), 0.5).view(2, n_images, -1)
    patch_probs = sinkhorn_knopp(teacher_logits[:, :, 1:][masks], 0.5)
    weight = (masks / masks.sum(-1, keepdim=True).clamp(min=1))[masks]
    centered = CenteredSoftmax(n_prototypes=N_PROTOTYPES)
    centered.update_center(teacher_logits[:, :, 1:][masks])
    losses = {
        "dino": DINOLoss(student_temp=0.5)(student_logits[:, :, 0], probs, ignore_diagonal=True),
        "ibot": IBOTPatchLoss(student_temp=0.5)(student_logits[:, :, 1:][masks], patch_probs, weight, 2 * n_images),
        "koleo": KoLeoLoss(topk=2)(student_logits[0, :, 0]),
        "gram": GramLoss()(student_logits[0, :, 1:], teacher_logits[0, :, 1:]),
    }
    sum(losses.values()).backward()
    return {
        "losses": {name: loss.item() for name, loss in losses.items()},
        "gradients": [p.grad.clone() for p in network.parameters()],
        "probs": probs,
        "patch_probs": patch_probs,
        "center": centered.center,
    }


def grouped_koleo(rank, x):
    """Neighbours in groups of one and of two processes."""
    return [KoLeoLoss(ranks_per_group=n)(x[rank]).item() for n in (1, 2)]


def on_process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    share = slice(N_IMAGES // 2 * rank, N_IMAGES // 2 * (rank + 1))
    result = step(DistributedDataParallel(make_network()), *(x[:, share] for x in make_images()))
    torch.save(result, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def on_process_of_four(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=4)
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    torch.save(grouped_koleo(rank, x), f"{folder}/{rank}.pt")
    dist.destroy_process_group()
