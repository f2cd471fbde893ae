"""The complete workflow on synthetic data: phantoms, fine-tuning, evaluation, segmentation, comparison with baselines.

Each step is a command that a user would type. The demo prints and runs it, and at the end says where the results are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CONFIGS = REPOSITORY / "bundles" / "meddinov3_seg_amos" / "configs"
OUTPUT = REPOSITORY / "demo_output"
DATA, RUN, EVALUATION, SEGMENTED = (OUTPUT / name for name in ("phantoms", "training", "evaluation", "segmented"))
MODEL = RUN / "model.pt"


def command(*arguments: object) -> None:
    """Print and run a command with this Python; the demo stops if it fails."""
    shown = " ".join(f'"{text}"' if set(text) & set(" [") else text for text in map(str, arguments))
    print(f"\n$ python {shown}", flush=True)
    subprocess.run([sys.executable, *map(str, arguments)], check=True, cwd=REPOSITORY)


def bundle(*names: str, **overrides: object) -> None:
    """Run `monai.bundle run` with a configuration and its overlays."""
    files = str([str((CONFIGS / f"{name}.json").relative_to(REPOSITORY)) for name in names])
    options = [text for key, value in overrides.items() for text in (f"--{key}", value)]
    command("-m", "monai.bundle", "run", "--config_file", files, *options)


def main() -> None:
    started = time.perf_counter()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    command("-m", "meddino_components", "phantom", DATA, "--n_ct", 30, "--n_mr", 0, "--n_val_ct", 4, "--n_val_mr", 0)
    bundle("train", "laptop", dataset_dir=DATA, output_dir=RUN, cache_dir=OUTPUT / "cache", n_folds=10)
    bundle("evaluate", dataset_dir=DATA, output_dir=EVALUATION, model_path=MODEL, section="official_validation")
    unseen = sorted((DATA / "imagesVa").glob("*.nii.gz"))[0]
    # the weights record their network, labels and plan
    command("-m", "meddino_components", "segment", unseen, SEGMENTED, "--modality", "ct", "--model", MODEL)
    command("demo/compare_baselines.py", DATA, EVALUATION / "metrics.json")
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Results:")
    for what, path in (
        ("report", EVALUATION / "report.html"),
        ("overview image of an unseen case", SEGMENTED / f"{unseen.name.removesuffix('.nii.gz')}.png"),
        ("training curves", f"tensorboard --logdir {RUN / 'tensorboard'}"),
    ):
        print(f"  {what}: {path}")


if __name__ == "__main__":
    main()
