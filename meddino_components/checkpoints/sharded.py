"""Weights that lie in several files: what they are, and how to make one file of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meddino_components.errors import InputError

# torch.distributed.checkpoint: `__0_0.distcp` and a pickle that says where each tensor lies
_DISTCP, _DISTCP_INDEX = ".distcp", ".metadata"
_INDEX = re.compile(r".*\.(?:safetensors|bin)\.index\.json")
_SHARD = re.compile(r".*-\d{5}-of-\d{5}\.(?:safetensors|bin|pt|pth)")
_DEEPSPEED = re.compile(r".*(?:zero_pp_rank_\d+|mp_rank_\d+).*_(?:optim|model)_states\.pt")


def check_one_file(names: Sequence[str], *, where: str, folder: str) -> None:
    """Refuse files that are parts of weights.

    Args:
        names: a file, or those of a folder.
        where: the file or folder as the user wrote it.
        folder: in which the parts lie, for the message.

    Raises:
        InputError: says what the parts are and how to join them.
    """
    if any(name.endswith(_DISTCP) or name == _DISTCP_INDEX for name in names):
        raise InputError(
            f"{where}: is a sharded checkpoint of torch.distributed.checkpoint, whose index is a pickle that could run "
            "code. Join it where you trust it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch "
            f"{folder} weights.pt; then give weights.pt"
        )
    if any(_DEEPSPEED.fullmatch(name) for name in names):
        raise InputError(
            f"{where}: is a part of a DeepSpeed checkpoint. Join it by the script that DeepSpeed wrote beside it: "
            "python zero_to_fp32.py . weights.pt; then give weights.pt"
        )
    if any(_INDEX.fullmatch(name) or _SHARD.fullmatch(name) for name in names):
        raise InputError(
            f"{where}: the weights are split over several files, which is not read. Join them into one (transformers: "
            f"AutoModel.from_pretrained({folder!r}).save_pretrained('joined', max_shard_size='100GB')) and give it"
        )
