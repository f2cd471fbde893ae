"""Pass networks from one stage of pretraining to the next, and check that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoints import load_backbone_weights, load_tensors, read_payload, verified_sha256
from ..errors import InputError
from .student_teacher import StudentTeacher

# stage -> the configuration that runs it
_CONFIGURATIONS = {1: "train.json", 2: "stage2_gram.json", 3: "stage3_highres.json"}


def stage_manifest(network: StudentTeacher, stage: int) -> dict[str, Any]:
    """Return the settings that consecutive stages must share, as plain data for checkpoints and metadata."""
    backbone = network.student.backbone
    return {
        "stage": stage,
        "embed_dim": backbone.embed_dim,
        "depth": backbone.depth,
        "patch_size": backbone.patch_size,
        "n_storage_tokens": backbone.n_storage_tokens,
        "dino_prototypes": network.student.dino_head.last_layer.out_features,
        "ibot_prototypes": network.student.ibot_head.last_layer.out_features,
    }


def start_from_stage(
    network: StudentTeacher, checkpoint: str | Path | None, stage: int, gram_weights: str | Path | None = None
) -> StudentTeacher:
    """Load student and teacher, with their heads, from an earlier stage's checkpoint.

    Args:
        network: network of the stage that starts.
        checkpoint: path of the earlier stage's ``checkpoint.pt``.
        stage: number of the earlier stage.
        gram_weights: weights of the frozen gram teacher, as a path or hf://owner/name; ``checkpoint`` uses the teacher
            in the earlier stage's checkpoint.

    Returns:
        The network.

    Raises:
        InputError: the checkpoint is missing, damaged, from another stage, or holds a network with another width,
            depth, patch size, tokens or prototypes; or a frozen gram teacher has no weights. The message says what to
            run.
    """
    config = _CONFIGURATIONS[stage]
    how = (
        f"run stage {stage} with `python -m monai.bundle run training --config_file configs/{config}` and pass its "
        f"output_dir/checkpoint.pt as `--previous_checkpoint`"
    )
    if checkpoint is None:
        raise InputError(f"stage {stage + 1} starts from a checkpoint of stage {stage}, but none is given: {how}")
    if not Path(checkpoint).is_file():
        raise InputError(f"{checkpoint}: no such file, but stage {stage + 1} starts from this checkpoint: {how}")
    verified_sha256(Path(checkpoint))
    payload = read_payload(checkpoint)
    found = payload.get("manifest") if isinstance(payload, Mapping) else None
    if not found:
        raise InputError(f"{checkpoint}: is not a checkpoint of pretraining (it contains no stage): {how}")
    expected = stage_manifest(network, stage)
    if found["stage"] != stage:
        raise InputError(f"{checkpoint}: comes from stage {found['stage']}, expected stage {stage}: {how}")
    if different := [name for name in expected if found.get(name) != expected[name]]:
        facts = ", ".join(f"{name} {found.get(name)} (this stage: {expected[name]})" for name in different)
        raise InputError(
            f"{checkpoint}: its network differs from this stage's: {facts}. Use the same settings for both stages, or "
            f"{how}"
        )
    for part in ("student", "teacher"):
        prefix = f"{part}."
        tensors = {k.removeprefix(prefix): t for k, t in payload["network"].items() if k.startswith(prefix)}
        load_tensors(getattr(network, part), tensors, f"{checkpoint} ({part})")
    _load_gram_teacher(network, gram_weights)
    return network


def _load_gram_teacher(network: StudentTeacher, weights: str | Path | None) -> None:
    if network.gram_source != "frozen":
        return
    if weights is None:
        raise InputError(
            "gram anchoring needs the teacher of an early iteration, but none is given: stage 1 exports it every "
            "export_interval iterations; pass output_dir/teachers/teacher_0020000.safetensors as `--gram_weights`, or "
            "`--gram_weights checkpoint` for the teacher that this stage starts with"
        )
    if weights == "checkpoint":
        network.refresh_gram_teacher()
    else:
        backbone: Any = network.gram_teacher["backbone"]
        load_backbone_weights(backbone, weights)
