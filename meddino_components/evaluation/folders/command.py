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
from ...wording import counted, first_few
from ..comparison_pictures import ComparisonPictures
from ..metrics import PUBLISHED_METRICS, AbsentRule, IntersectionOverUnion, SegmentationMetric
from ..segmentation_report import SegmentationReport
from .named_labels import NamedLabels, labels_beside, stated_labels
from .reading import ReadPairedd
from .scored_folders import ScoredFolders
from .structures import Side, Structures, shared_structures
from .volumes import Pairs, Volume, paired, scans_of

_METRICS = {metric.name: metric for metric in (*PUBLISHED_METRICS, IntersectionOverUnion())}


def evaluate_folder(
    predictions: str,
    references: str,
    output_dir: str,
    prediction_labels: str | Sequence[str] | Mapping[str, int] | None = None,
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
        prediction_labels: names of the predictions' labels: a dataset.json, its folder, a JSON file with
            {name: number}, names in order with the background first, numbers by name, ``"{'liver': 1}"``, or the name
            of a layout, such as totalsegmentator. By default the dataset.json or the case records next to the label
            maps.
        reference_labels: names of the references' labels, stated in the same way.
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
    folders = Path(predictions).expanduser(), Path(references).expanduser()
    _check_output(Path(output_dir), folders)
    pairs = paired(*folders, common_only=common_only)
    sides = _sides(
        folders,
        pairs,
        stated_labels(prediction_labels, "--prediction_labels"),
        stated_labels(reference_labels, "--reference_labels"),
    )
    structures = shared_structures(*sides, rename)
    _warn_of_others(structures, pairs)
    images = scans_of(Path(scans).expanduser(), pairs.volumes) if scans else {}
    cases = [
        {"case_id": case, "image": _plain(prediction), "label": _plain(reference)}
        | ({"scan": str(images[case])} if images else {})
        for case, (prediction, reference) in pairs.volumes.items()
    ]
    read = ReadPairedd(structures=structures, predictions=sides[0].labels, references=sides[1].labels)
    report = SegmentationReport(
        output_dir=output_dir,
        label_names=["background", *structures.names],
        metrics=chosen,
        regions=structures.regions,
        absent=rule,
        title="Predictions of a folder",
        # without a scan, there is nothing to see behind the labels
        pictures=ComparisonPictures(window=None if images else (0, 1)),
        model=ScoredFolders(
            predictions=sides[0],
            references=sides[1],
            structures=structures,
            pairs=pairs,
            rename=rename,
            notes=read.notes,
        ),
        overwrite=overwrite,
    )
    evaluator = CaseEvaluator(
        device="cpu",
        dataset=Dataset(cases, read),
        network=_LastChannel(),
        inferer=SimpleInferer(),
        output_dir=output_dir,
        val_handlers=[ProgressBar(desc="evaluating"), report],
        overwrite=overwrite,
    )
    evaluator.run()
    summary = evaluator.summary
    failed = [case for case in summary.cases if case.status == "failed"]
    if len(failed) == len(cases):
        raise InputError(
            f"none of {counted(len(cases), 'case')} could be scored; {failed[0].case_id}: {failed[0].error}"
        )
    print(f"wrote {report.output_dir / 'report.html'}" + (f"; {counted(len(failed), 'case')} failed" if failed else ""))
    return {status: summary.count(status) for status in ("ok", "failed")}


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
        near = near_name(name.casefold(), AbsentRule)
        raise InputError(
            f"--absent is {name!r}; expected one of {', '.join(AbsentRule)}"
            + (f". Did you mean {near}?" if near else "")
        )
    return AbsentRule(name)


def _check_output(output: Path, folders: Sequence[Path]) -> None:
    if output.expanduser().resolve() in [folder.resolve() for folder in folders]:
        raise InputError(f"{output}: holds label maps to compare; give an output_dir of its own")


def _sides(
    folders: tuple[Path, Path], pairs: Pairs, stated: NamedLabels | None, stated_reference: NamedLabels | None
) -> tuple[Side, Side]:
    """Return predictions and references. No side has the names of the other: programs number organs differently."""
    predictions, references = folders
    predicted, expected = stated or labels_beside(predictions), stated_reference or labels_beside(references)
    volumes = pairs.volumes.values()
    return (
        _side(
            predictions, [one for one, _ in volumes], predicted, "--prediction_labels", references if expected else None
        ),
        _side(
            references, [one for _, one in volumes], expected, "--reference_labels", predictions if predicted else None
        ),
    )


def _side(folder: Path, volumes: Sequence[Volume], labels: NamedLabels | None, option: str, named: Path | None) -> Side:
    """Return predictions or references; ``named`` is the other folder if its labels have names."""
    if all(isinstance(volume, Mapping) for volume in volumes):
        names = {name for volume in volumes if isinstance(volume, Mapping) for name in volume}
        return Side(folder=str(folder), labels=None, names=sorted(names))
    if labels is None:
        raise InputError(
            f"{folder}: nothing names the labels, as there is no dataset.json. State them by {option} "
            "\"{'liver': 1, 'spleen': 2}\""
            + (f", or by {option} {named} if the numbers mean the same there" if named else "")
        )
    names_of = labels.regions.names if labels.regions else labels.names.values()
    return Side(folder=str(folder), labels=labels, names=list(names_of))


def _plain(volume: Volume) -> str | dict[str, str]:
    return {name: str(path) for name, path in volume.items()} if isinstance(volume, Mapping) else str(volume)


def _warn_of_others(structures: Structures, pairs: Pairs) -> None:
    rename = ". If they are only spelt differently, give --rename"
    for names, what, more in (
        (structures.only_in_references, "not scored, as the predictions lack them", rename),
        (structures.only_in_predictions, "not scored, as the references lack them", rename),
        (pairs.without_prediction, "cases without a prediction, left out", ""),
        (pairs.without_reference, "cases without a reference, left out", ""),
    ):
        if names:
            warnings.warn(f"{what}: {first_few(names, 20)}{more}", stacklevel=3)
