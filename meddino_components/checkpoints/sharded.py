"""Recognise weights that are split over several files, and say how to join them into one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meddino_components.errors import InputError

# torch.distributed.checkpoint: `__0_0.distcp`, and a pickle that maps tensors to files
_DISTCP, _DISTCP_INDEX = ".distcp", ".metadata"
_INDEX = re.compile(r".*\.(?:safetensors|bin)\.index\.json")
_SHARD = re.compile(r".*-\d{5}-of-\d{5}\.(?:safetensors|bin|pt|pth)")
_DEEPSPEED = re.compile(r".*(?:zero_pp_rank_\d+|mp_rank_\d+).*_(?:optim|model)_states\.pt")


def check_one_file(names: Sequence[str], *, where: str, folder: str) -> None:
    """Refuse files that hold only parts of a network's weights.

    Args:
        names: name of a file, or names of all files in a folder.
        where: file or folder as the user wrote it.
        folder: folder that holds the parts, for the message.

    Raises:
        InputError: the message says what the parts are and how to join them.
    """
    if any(name.endswith(_DISTCP) or name == _DISTCP_INDEX for name in names):
        raise InputError(
            f"{where}: is a sharded checkpoint of torch.distributed.checkpoint, whose index is a pickle that could "
            f"run code. If you trust it, join it with python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
            f"{folder} weights.pt; then give weights.pt"
        )
    if any(_DEEPSPEED.fullmatch(name) for name in names):
        raise InputError(
            f"{where}: is part of a DeepSpeed checkpoint. Join it with the script that DeepSpeed wrote next to it: "
            f"python zero_to_fp32.py . weights.pt; then give weights.pt"
        )
    if any(_INDEX.fullmatch(name) or _SHARD.fullmatch(name) for name in names):
        raise InputError(
            f"{where}: the weights are split over several files, which is not supported. Join them into one "
            f"(transformers: "
            f"AutoModel.from_pretrained({folder!r}).save_pretrained('joined', max_shard_size='100GB')) and give it"
        )
