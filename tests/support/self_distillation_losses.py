"""Each loss of self-distillation, alone or on a process of several; light to import, for new processes do."""

import torch
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


def losses(network, student, teacher, masks):
    """Each loss of this process by name, to be called, and what of the teacher is of all processes."""
    n_images = student.shape[1]
    with torch.no_grad():
        teacher_logits = teacher @ torch.linspace(-1, 1, WIDTH * N_PROTOTYPES).view(WIDTH, N_PROTOTYPES)
    probs = sinkhorn_knopp(teacher_logits[:, :, 0].flatten(0, 1), 0.5).view(2, n_images, -1)
    patch_probs = sinkhorn_knopp(teacher_logits[:, :, 1:][masks], 0.5)
    weight = (masks / masks.sum(-1, keepdim=True).clamp(min=1))[masks]
    centered = CenteredSoftmax(n_prototypes=N_PROTOTYPES)
    centered.update_center(teacher_logits[:, :, 1:][masks])
    found = {
        "dino": lambda: DINOLoss(student_temp=0.5)(network(student[:, :, 0]), probs, ignore_diagonal=True),
        "ibot": lambda: IBOTPatchLoss(student_temp=0.5)(
            network(student[:, :, 1:][masks]), patch_probs, weight, 2 * n_images
        ),
        "koleo": lambda: KoLeoLoss(topk=2)(network(student[0, :, 0])),
        "gram": lambda: GramLoss()(network(student[0, :, 1:]), teacher_logits[0, :, 1:]),
    }
    return found, {"probs": probs, "patch_probs": patch_probs, "center": centered.center}


def step(network, student, teacher, masks):
    """Value and gradients of each loss, and what is of the teacher."""
    functions, of_the_teacher = losses(network, student, teacher, masks)
    values, gradients = {}, {}
    for name, function in functions.items():
        network.zero_grad()
        loss = function()
        loss.backward()
        values[name], gradients[name] = loss.item(), [p.grad.clone() for p in network.parameters()]
    return {"losses": values, "gradients": gradients, **of_the_teacher}


def results(rank, n_processes):
    """A step with this process' share of the images."""
    n = N_IMAGES // n_processes
    share = slice(n * rank, n * (rank + 1))
    return step(DistributedDataParallel(make_network()), *(x[:, share] for x in make_images()))
