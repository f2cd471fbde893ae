"""Score a folder of predictions, made by any program, against a folder of references."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.handlers import ProgressBar
from monai.data import Dataset
from monai.inferers import SimpleInferer

from ...errors import InputError
from ...inference.case_evaluator import CaseEvaluator
from ...near_names import near_name
from ...wording import first_few
from ..comparison_pictures import ComparisonPictures
from ..metrics import PUBLISHED_METRICS, AbsentRule, IntersectionOverUnion, SegmentationMetric
from ..segmentation_report import SegmentationReport
from .named_labels import NamedLabels, labels_beside, stated_labels
from .reading import ReadPairedd
from .scored_folders import ScoredFolders
from .structures import Side, Structures, shared_structures
from .volumes import Volume, paired, scans_of

_METRICS = {metric.name: metric for metric in (*PUBLISHED_METRICS, IntersectionOverUnion())}


def evaluate_folder(
    predictions: str,
    references: str,
    output_dir: str,
    labels: str | Sequence[str] | Mapping[str, int] | None = None,
    reference_labels: str | Sequence[str] | Mapping[str, int] | None = None,
    rename: Mapping[str, str] | None = None,
    scans: str | None = None,
    metrics: Sequence[str] | None = None,
    absent: str | None = None,
    common_only: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Score a folder of predictions, made by any program, against a folder of references.

    Cases are matched by the names of their files. A case is a label map, ``<case>.nii.gz``, or a folder with a mask for
    each class, ``<case>/<class>.nii.gz`` or ``<case>/segmentations/<class>.nii.gz``. Structures are matched by name, so
    both folders may number them differently. Where the references have nnU-Net's label ``ignore``, or a case lacks the
    mask of a class, nothing counts for or against.

    Args:
        predictions: folder of predictions, such as nnU-Net's, TotalSegmentator's or those of ``segment``.
        references: folder of references, such as ``labelsTr`` or ``labelsTs``.
        output_dir: folder for report.html, metrics.csv, metrics.json, summary.csv, summary.json and a picture of each
            case.
        labels: names of the labels: a dataset.json, its folder, a JSON file with {name: number}, names in order with
            the background first, numbers by name, ``"{'liver': 1}"``, or the name of a layout, such as
            totalsegmentator. By default the dataset.json or the case records next to the label maps.
        reference_labels: names of the references' labels if they are other ones.
        rename: names in the references for names in the predictions that differ, ``"{'postcava': 'vena cava'}"``.
        scans: folder of the scans, drawn behind the labels in the pictures.
        metrics: names of the metrics, the first of which ranks cases: dice, surface_dice_1mm, hd95_mm, iou. By default
            the first three.
        absent: what a case counts for a structure that its reference lacks: leave_out, nnunet (as in nnU-Net's
            summary.json) or brats. By default brats for regions, otherwise leave_out.
        common_only: score only the cases that both folders have.
        overwrite: also replace results that were edited since. Your own files are never replaced.

    Returns:
        The numbers of cases "ok" and "failed".

    Raises:
        InputError: a folder has no label maps or lacks cases, nothing names the labels, the folders have no structure
            in common, or an option is wrong. What is wrong with one case is in the summary.
    """
    chosen, rule = _metrics(metrics), _rule(absent)
    found, wanted = Path(predictions).expanduser(), Path(references).expanduser()
    pairs = paired(found, wanted, common_only=common_only)
    stated = stated_labels(labels)
    sides = _sides(found, wanted, pairs, stated, stated_labels(reference_labels) or stated)
    structures = shared_structures(*sides, rename)
    _warn_of_others(structures)
    images = scans_of(Path(scans).expanduser(), pairs) if scans else {}
    cases = [
        {"case_id": case, "image": _plain(prediction), "label": _plain(reference)}
        | ({"scan": str(images[case])} if images else {})
        for case, (prediction, reference) in pairs.items()
    ]
    report = SegmentationReport(
        output_dir=output_dir,
        label_names=["background", *structures.names],
        metrics=chosen,
        regions=structures.regions,
        absent=rule,
        title="Predictions of a folder",
        # without a scan, there is nothing to see behind the labels
        pictures=ComparisonPictures(window=None if images else (0, 1)),
        model=ScoredFolders(predictions=found, references=wanted, structures=structures),
        overwrite=overwrite,
    )
    evaluator = CaseEvaluator(
        device="cpu",
        dataset=Dataset(
            cases, ReadPairedd(structures=structures, predictions=sides[0].labels, references=sides[1].labels)
        ),
        network=_LastChannel(),
        inferer=SimpleInferer(),
        output_dir=output_dir,
        val_handlers=[ProgressBar(desc="evaluating"), report],
        overwrite=overwrite,
    )
    evaluator.run()
    print(f"wrote {report.output_dir / 'report.html'}")
    return {status: evaluator.summary.count(status) for status in ("ok", "failed")}


class _LastChannel(torch.nn.Module):
    """The "network": the prediction is the last channel of the image."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, -1:].to(torch.uint8)


def _metrics(names: Sequence[str] | None) -> Sequence[SegmentationMetric]:
    if names is None:
        return PUBLISHED_METRICS
    if unknown := [name for name in names if name not in _METRICS]:
        near = near_name(unknown[0], _METRICS)
        raise InputError(
            f"--metrics names {unknown[0]!r}; expected some of {', '.join(_METRICS)}"
            + (f". Did you mean {near!r}?" if near else "")
        )
    return [_METRICS[name] for name in names]


def _rule(name: str | None) -> AbsentRule | None:
    if name is None:
        return None
    if name not in set(AbsentRule):
        raise InputError(f"--absent is {name!r}; expected one of {', '.join(AbsentRule)}")
    return AbsentRule(name)


def _sides(
    predictions: Path,
    references: Path,
    pairs: Mapping[str, tuple[Volume, Volume]],
    predicted: NamedLabels | None,
    expected: NamedLabels | None,
) -> tuple[Side, Side]:
    found, wanted = predicted or labels_beside(predictions), expected or labels_beside(references)
    return (
        _side(predictions, [volume for volume, _ in pairs.values()], found, references if wanted else None),
        _side(references, [volume for _, volume in pairs.values()], wanted, predictions if found else None),
    )


def _side(folder: Path, volumes: Sequence[Volume], labels: NamedLabels | None, other: Path | None) -> Side:
    """Return predictions or references; ``other`` is the other folder if its labels have names."""
    if all(isinstance(volume, Mapping) for volume in volumes):
        names = {name for volume in volumes if isinstance(volume, Mapping) for name in volume}
        return Side(folder=str(folder), labels=None, names=sorted(names))
    if labels is None:
        # not taken from the other folder: programs number the same organs differently
        raise InputError(
            f"{folder}: nothing names the labels, as there is no dataset.json. State them by --labels "
            "\"{'liver': 1, 'spleen': 2}\""
            + (f", or by --labels {other} if the numbers mean the same there" if other else "")
        )
    regions = labels.regions
    return Side(folder=str(folder), labels=labels, names=list(regions.names if regions else labels.names.values()))


def _plain(volume: Volume) -> str | dict[str, str]:
    return {name: str(path) for name, path in volume.items()} if isinstance(volume, Mapping) else str(volume)


def _warn_of_others(structures: Structures) -> None:
    for names, where in (
        (structures.only_in_references, "predictions lack"),
        (structures.only_in_predictions, "references lack"),
    ):
        if names:
            warnings.warn(f"not scored, as the {where} it: {first_few(names, 20)}", stacklevel=3)
