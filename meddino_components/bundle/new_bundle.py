"""A bundle for another data set, made like one that is there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .. import __version__
from ..errors import InputError
from ..files import write_text
from ..near_names import near_name
from .build import build
from .new_data_set import NewDataSet, new_data_set
from .release_checks import UNSTATED

_BUNDLES = Path("bundles")
# of a bundle's sources: what it trains on; the second file is about training alone
DATA_SET = "dataset.yaml"
DATA_SET_OF_TRAINING = "dataset_training.yaml"
_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)
_COPIED = ("LICENSE", "configs/logging.conf", "docs/weights_license.txt")
_VERSION = "0.1.0"


def make_bundle(
    name: str,
    *,
    like: str,
    dataset_layout: str | None = None,
    dataset_dir: str | os.PathLike[str] | None = None,
    modality: str | None = None,
    label_names: Sequence[str] | None = None,
) -> Path:
    """Make ``bundles/NAME`` below the working directory and build its configurations.

    Args:
        name: name of the bundle and of its folder.
        like: the segmentation bundle in ``bundles`` whose network, settings and layers it gets.
        dataset_layout: layout of the data set on disk; None to recognise it in ``dataset_dir``.
        dataset_dir: the data set itself, which names its layout, labels and modality; None if it is not here.
        modality: ``ct`` or ``mr``; None if the data set says it, case by case or as a whole.
        label_names: names of the labels, the background first; None if the data set names them.

    Returns:
        The folder, which appears as a whole or not at all.

    Raises:
        InputError: the name cannot be a bundle's or is taken, ``like`` is no segmentation bundle of the checkout, or
            the data set is not described completely.
    """
    _check_name(name)
    source = _template(like)
    target = _BUNDLES / name
    if os.path.lexists(target):
        raise InputError(f"{target} is there already, and new_bundle replaces nothing: choose another name")
    own = yaml.safe_load((source / "sources" / DATA_SET).read_text(encoding="utf-8"))
    data_set = new_data_set(
        own,
        like=like,
        dataset_layout=dataset_layout,
        dataset_dir=dataset_dir,
        modality=modality,
        label_names=label_names,
    )
    draft = _BUNDLES / f".{name}.{os.getpid()}"
    try:
        _write(draft, source, name, data_set)
        draft.rename(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}): check the folder's permissions") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name):
        return
    near = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "my_bundle"
    near = near if _NAME.fullmatch(near) else f"bundle_{near}"[:100]
    raise InputError(
        f"a bundle cannot be called {name!r}: use at most 100 letters, digits and underscores, a letter first, such as "
        f"{near}"
    )


def _template(like: str) -> Path:
    if not (_BUNDLES / "_shared").is_dir():
        raise InputError(
            f"{_BUNDLES.absolute() / '_shared'} not found: run new_bundle in a checkout of this project, in the folder "
            "that holds bundles/"
        )
    known = sorted(path.parents[1].name for path in _BUNDLES.glob(f"[!.]*/sources/{DATA_SET}"))
    if like not in known:
        near = near_name(like, known)
        hint = f"did you mean {near}? " if near else ""
        raise InputError(f"--like is {like!r}: {hint}expected a segmentation bundle, one of {', '.join(known)}")
    return _BUNDLES / like


def _write(draft: Path, source: Path, name: str, data_set: NewDataSet) -> None:
    (draft / "docs").mkdir(parents=True)
    (draft / "configs").mkdir()
    shutil.copytree(source / "sources", draft / "sources", ignore=shutil.ignore_patterns("dataset*.yaml", ".*"))
    for part in _COPIED:
        shutil.copyfile(source / part, draft / part)
    metadata = _metadata(source, name, data_set)
    layers = (draft / "sources" / "layers.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in layers if line.strip() != f"- {DATA_SET_OF_TRAINING}")
    texts = {
        "sources/layers.yaml": kept,
        "sources/bundle.yaml": (source / "sources" / "bundle.yaml").read_text("utf-8").replace(source.name, name),
        f"sources/{DATA_SET}": data_set.layer(),
        "configs/metadata.json": json.dumps(metadata, indent=4, ensure_ascii=False) + "\n",
        "docs/data_license.txt": (
            f"{UNSTATED}: who distributes the data that {name} is trained on, and under which licence. No part of them "
            "is in this bundle.\n"
        ),
        "docs/README.md": _readme(source, metadata, data_set),
    }
    for part, text in texts.items():
        write_text(draft / part, text)
    build(draft)


def _metadata(source: Path, name: str, data_set: NewDataSet) -> dict[str, Any]:
    """The metadata of the bundle it is made like, with what is known of this one."""
    metadata = json.loads((source / "configs" / "metadata.json").read_text(encoding="utf-8"))
    metadata |= {
        "version": _VERSION,
        "changelog": {_VERSION: f"first version, made like {source.name}"},
        "meddino_components_version": __version__,
        "name": name,
        "task": data_set.task(metadata["task"]),
        "description": f"The network and the recipe of {source.name}, fine-tuned slice by slice on another data set.",
        "data_source": f"{UNSTATED}: the data set and its doi",
        "eval_metrics": {},
        "references": [text for text in metadata["references"] if "DINOv3" in text],
    }
    data_format = metadata["network_data_format"]
    image, prediction = data_format["inputs"]["image"], data_format["outputs"]["pred"]
    image["modality"] = data_set.modality_in_words() if data_set.modality else "n/a"
    if len(channels := data_set.settings["channel_names"]) > 1:
        image |= {"num_channels": len(channels), "channel_def": {str(n): name for n, name in enumerate(channels)}}
    if (outputs := data_set.outputs()) is not None:
        prediction |= {
            "num_channels": outputs.n_channels,
            "channel_def": {str(number): label for number, label in outputs.labels.items()},
        }
        metadata |= {
            "image_classes": f"{data_set.modality_in_words()}, {data_set.channels_in_words()}",
            "label_classes": f"0 background and {len(outputs.labels) - 1} more, see channel_def",
            "pred_classes": f"logits of {outputs.in_words}",
        }
    return dict(metadata)


def _readme(source: Path, metadata: Mapping[str, Any], data_set: NewDataSet) -> str:
    name = metadata["name"]
    folder = f"/data/{name}"
    scan = "/data/new_cases" if data_set.label_names is None else "/data/scan.nii.gz"
    modality = "" if data_set.modality else " --modality ct"
    outputs = data_set.outputs()
    labels = f" Labels: {', '.join(name for number, name in outputs.labels.items() if number)}." if outputs else ""
    return f"""# {name}

{metadata["task"]}.{labels}

The network and the recipe are those of `{source.name}`. This bundle carries no weights of its own, so no score is
claimed for it. {UNSTATED}: what the data set is, and what the segmentation is for.

```
python -m monai.bundle run training --config_file configs/train.json --dataset_dir {folder}
python -m monai.bundle run --config_file configs/evaluate.json --dataset_dir {folder}
python -m monai.bundle run --config_file configs/inference.json --dataset_dir {scan}{modality}
```

Training writes `output/model.pt` in the bundle's folder. The others read it unless `models/` holds released weights;
they write to `output/evaluation` and `output/segmentations`. `configs/laptop.json` and `configs/multi_gpu_train.json`
are overlays: give them as a second `--config_file`. `configs/*.json` are generated from `sources/`, so edit those.
"""


def what_to_edit(bundle: Path) -> str:
    """Return the next steps for the author of a new bundle, one line each."""
    return "\n".join(
        [
            f"made {bundle}",
            f"It runs as it is: python -m monai.bundle run training --config_file {bundle}/configs/train.json "
            "--dataset_dir ...",
            f"Before a release, replace each {UNSTATED!r}:",
            f"  {bundle}/configs/metadata.json  task, description, data_source, authors, references",
            f"  {bundle}/docs/README.md  what the data set is and what the segmentation is for",
            f"  {bundle}/docs/data_license.txt  the licence of the data",
            f"Settings that differ from the template: {bundle}/sources/*.yaml, then python -m meddino_components build",
        ]
    )
