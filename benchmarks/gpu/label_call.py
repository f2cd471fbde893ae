"""A bundle's training called as MONAI Label 0.8.5 calls it: ``python -m gpu.label_call REQUEST``.

In one process, by `monai.bundle.run` with lists of images and labels, keys with ``#``, and a `CheckpointLoader` of the
bundle's weights before the bundle's own handlers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import monai.bundle
import torch


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    root = Path(request["root"])
    config = json.loads((root / "configs" / "train.json").read_text(encoding="utf-8"))
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": str(root / "models" / "model.pt"),
        "load_dict": {"model": "$@network"},
        "strict": False,
    }
    sys.path.insert(0, str(root))
    overrides = {
        "bundle_root": str(root),
        "train#trainer#max_epochs": 1,
        "train#dataset#data": request["train"],
        "validate#dataset#data": request["validate"],
        "device": torch.device(request["device"]),
        "train#handlers": [loader, *config["train"]["handlers"]],
        "displayable_configs": {"modality": "ct"},
    }
    monai.bundle.run(
        run_id="run",
        init_id=None,
        final_id=None,
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "train.json"),
        **overrides,
    )


if __name__ == "__main__":
    main()
