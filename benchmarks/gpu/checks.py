"""All checks of correctness, in the order in which they run: what is quick and fundamental first."""

from __future__ import annotations

from collections.abc import Callable

from .check import Check, Figures, Place


def _imported(module: str, function: str) -> Callable[[Place, Figures], None]:
    """A check whose module is imported when it runs, so that what it cannot import stops it alone."""

    def run(place: Place, figures: Figures) -> None:
        from importlib import import_module

        getattr(import_module(f"gpu.{module}"), function)(place, figures)

    return run


_TABLE = (
    # name, module, function, what is asked, limit in seconds
    ("vit", "networks", "check_vit", "Does the backbone give the official numbers, in fp32 and in bf16?", 90),
    ("losses", "networks", "check_losses", "Do the losses give the official numbers?", 60),
    ("primus", "networks", "check_primus", "Does the segmentation network give the official numbers?", 60),
    ("ssl_step", "ssl_step", "check_ssl_step", "Does a step of self-distillation give the numbers of the CPU?", 60),
    ("crops", "crops", "check_crops", "Are crops cut on the device those of the CPU?", 60),
    ("out_of_memory", "volumes", "check_out_of_memory", "Does a volume end well when memory runs short?", 90),
    ("fine_tuning", "fine_tuning", "check_fine_tuning", "Does train.json train and validate?", 150),
    ("resume", "fine_tuning", "check_resume", "Does a killed run go on as if nothing had been?", 180),
    ("two_runs", "fine_tuning", "check_two_runs", "Are two runs with one seed equal?", 200),
    ("evaluation", "volumes", "check_evaluation", "Does evaluate.json report the Dice of its labels?", 120),
    ("inference", "volumes", "check_inference", "Does inference.json give the labels of the CPU?", 150),
    ("monai_label", "fine_tuning", "check_monai_label", "Does training run as MONAI Label calls it?", 120),
    ("pretraining", "pretraining", "check_pretraining", "Does self-distillation train?", 120),
    ("ddp", "pretraining", "check_ddp", "Are the losses the same under DDP?", 120),
    ("fsdp", "pretraining", "check_fsdp", "Are the losses the same under FSDP2?", 120),
    ("export_pt2", "exports", "check_pt2", "Does a torch.export file agree with its network?", 120),
    ("export_onnx", "exports", "check_onnx", "Does an ONNX file agree with its network?", 120),
    ("tensorrt", "exports", "check_tensorrt", "Does a TensorRT engine agree with its network?", 120),
)
CHECKS = {
    name: Check(name=name, asks=asks, run=_imported(module, function), limit_s=limit_s)
    for name, module, function, asks, limit_s in _TABLE
}
