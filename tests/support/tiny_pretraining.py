"""A few iterations of pretraining with the handlers that a bundle gives it."""

import torch
from tiny_student_teacher import tiny_batch

from meddino_components.self_distillation import (
    ScheduleHandler,
    Schedules,
    SelfDistillationObjective,
    SelfDistillationTrainer,
    TeacherUpdate,
    constant_schedule,
    self_distillation_groups,
    warmup_cosine_schedule,
)
from meddino_components.training import GradientClipping

PARTS = ["student.backbone", "student.dino_head", "student.ibot_head"]


def schedules(**changed):
    rate = warmup_cosine_schedule(start=0.0, peak=1e-3, end=1e-5, warmup_iterations=2, total_iterations=6)
    values = {
        "lr": rate,
        "last_layer_lr": rate.frozen_until(2),
        "weight_decay": constant_schedule(value=0.04),
        "ema_momentum": constant_schedule(value=0.9),
        "teacher_temp": constant_schedule(value=0.07),
    }
    return Schedules(**{**values, **changed})


def run(network, *, handlers=(), iterations=3, batches=None, changed=None, **options):
    optimizer = torch.optim.AdamW(self_distillation_groups(network, lr_decay_rate=0.9, patch_embed_lr_mult=0.2))
    trainer = SelfDistillationTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        epoch_length=iterations,
        train_data_loader=batches or [tiny_batch(seed=number) for number in range(iterations)],
        network=network,
        optimizer=optimizer,
        objective=SelfDistillationObjective(),
        train_handlers=[
            ScheduleHandler(optimizer=optimizer, schedules=schedules(**(changed or {})), **options),
            GradientClipping(network=network, max_norm=3.0, parts=PARTS),
            TeacherUpdate(network=network),
            *handlers,
        ],
    )
    trainer.run()
    return trainer, optimizer
