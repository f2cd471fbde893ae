"""Outputs of a step whose collapse is known, alone or on a process of two; light to import, for new processes do."""

import torch
import torch.distributed as dist

from meddino_components.self_distillation.collapse_measures import (
    agreement,
    cosine_agreement,
    effective_rank,
    prototype_use,
)

N_CROPS, N_IMAGES, WIDTH, N_PROTOTYPES = 2, 8, 6, 16


def tensors():
    """Features and logits of student and teacher, each [G, B, ...]."""
    generator = torch.Generator().manual_seed(0)
    return {
        "student_cls": torch.randn(N_CROPS, N_IMAGES, WIDTH, generator=generator),
        "teacher_cls": torch.randn(N_CROPS, N_IMAGES, WIDTH, generator=generator),
        "student": torch.randn(N_CROPS, N_IMAGES, N_PROTOTYPES, generator=generator),
        "teacher": torch.randn(N_CROPS, N_IMAGES, N_PROTOTYPES, generator=generator),
    }


def measure(student_cls, teacher_cls, student, teacher):
    use = prototype_use(teacher.flatten(0, 1), temperature=0.5)
    return [
        effective_rank(teacher_cls.flatten(0, 1)),
        use.rows,
        use.used,
        use.perplexity,
        use.entropy,
        use.entropy_of_mean,
        agreement(student, teacher),
        cosine_agreement(student_cls, teacher_cls),
    ]


def on_process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    # not the same number of images on both
    share = slice(0, 3) if rank == 0 else slice(3, N_IMAGES)
    found = measure(**{name: tensor[:, share] for name, tensor in tensors().items()})
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
