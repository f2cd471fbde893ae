"""Write the layer ``sources/dataset.yaml``, which describes the data set of a new bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..data.cases.datasets import read_datalist
from ..data.cases.label_names import class_names
from ..data.cases.layouts import KNOWN, find_layout
from ..data.cases.region_conventions import OF_DATA_SET, is_known_convention
from ..data.volumes.channel_modality import CaseModality
from ..data.volumes.ct_or_mr import parse_modality
from ..data.volumes.regions import Regions
from ..errors import InputError

# a task in words names so many labels at most
_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What the network of a new bundle gives.

    Attributes:
        n_channels: number of channels: classes, or regions.
        labels: names of the labels that are written, by number, the background included.
        in_words: the channels in words.
    """

    n_channels: int
    labels: Mapping[int, str]
    in_words: str


@dataclass(frozen=True, kw_only=True)
class NewDataSet:
    """The data set of a new bundle.

    Attributes:
        settings: the keys of the layer and their values.
        modality: modality of all cases, or of each of their channels; None if each case states its own.
        label_names: names by number, the background first; None for regions.
        regions: nested regions that the data set defines; None for classes, and for regions of the template.
    """

    settings: Mapping[str, Any]
    modality: CaseModality | None
    label_names: tuple[str, ...] | None
    regions: Regions | None = None

    def layer(self) -> str:
        """The text of ``dataset.yaml``."""
        head = "# The data set of this bundle: where it is (stated by the user), its layout, modality and labels.\n"
        return head + yaml.safe_dump(dict(self.settings), sort_keys=False, allow_unicode=True)

    def modality_in_words(self) -> str:
        if isinstance(self.modality, dict):
            return " and ".join(self.modality)
        return self.modality.upper() if self.modality else "CT or MR"

    def channels_in_words(self) -> str:
        names = self.settings["channel_names"]
        return "one channel" if len(names) == 1 else f"the channels {', '.join(names)}"

    def outputs(self) -> Outputs | None:
        """Return what the network gives; None for the regions of the template."""
        if self.regions is not None:
            names = ", ".join(self.regions.names)
            labels = {0: "background", **dict(self.regions.label_names)}
            words = f"the nested regions {names}; channel_def names the labels made from them"
            return Outputs(n_channels=len(self.regions.names), labels=labels, in_words=words)
        if self.label_names is None:
            return None
        classes = dict(enumerate(self.label_names))
        return Outputs(n_channels=len(classes), labels=classes, in_words=f"{len(classes)} classes")

    def task(self, of_regions: str) -> str:
        """Return one sentence on what the bundle segments; for regions that of the template."""
        if self.label_names is None and self.regions is None:
            return of_regions
        names = self.regions.names if self.regions else (self.label_names or ())[1:]
        what = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} structures"
        return f"Segmentation of {what} in {self.modality_in_words()}"


def new_data_set(
    template: Mapping[str, Any],
    *,
    like: str,
    dataset_layout: str | None,
    dataset_dir: str | os.PathLike[str] | None,
    modality: str | None,
    label_names: Sequence[str] | None,
) -> NewDataSet:
    """Take what is stated, and the rest from the data set where it is here.

    Args:
        template: the layer of the bundle that is copied.
        like: the name of that bundle, for messages.
        dataset_layout: see `make_bundle`.
        dataset_dir: see `make_bundle`; the files of its cases must exist.
        modality: see `make_bundle`.
        label_names: see `make_bundle`.

    Raises:
        InputError: layout or labels are not known, or contradict the data set or the template.
    """
    if dataset_dir is None and dataset_layout is None:
        raise InputError("the data set is not described: give --dataset_dir, or --dataset_layout and --label_names")
    layout = find_layout(dataset_dir or "", dataset_layout)
    stated: CaseModality | None = None if modality is None else parse_modality(modality, "modality")
    channels: list[str] = []
    if dataset_dir is not None:
        cases = read_datalist(dataset_dir, layout, "all_labelled", modality=modality)
        channels = _channels(cases[0])
        found = [case["modality"] for case in cases]
        stated = stated or (found[0] if all(one == found[0] for one in found) else None)
    has_regions = "label_convention" in template
    if has_regions and (regions := _own_regions(dataset_dir, layout)) and label_names is None:
        settings = {**template, "dataset_dir": "", "dataset_layout": layout, "modality": stated}
        settings |= {"label_convention": OF_DATA_SET, "channel_names": channels or ["image"]}
        return NewDataSet(settings=settings, modality=stated, label_names=None, regions=regions)
    if layout != template["dataset_layout"] if has_regions else layout == "brats":
        which = f"of the layout {template['dataset_layout']}" if has_regions else "of one image a case"
        raise InputError(
            f"{like} is for data sets {which}, and dataset_layout is {layout}: choose the template by --like, "
            "meddinov3_seg_brats for the layout brats and meddinov3_seg_amos for the others"
        )
    settings = {**template, "dataset_dir": "", "dataset_layout": layout}
    if has_regions:
        own = parse_modality(template["modality"], "modality")
        if label_names is not None or stated not in (None, own):
            raise InputError(f"{like} has {own.upper()} and regions: leave --label_names and --modality out")
        return NewDataSet(settings=settings, modality=own, label_names=None)
    if dataset_dir is None and label_names is None and KNOWN[layout].default_labels is None:
        raise InputError(
            "the labels are not known: give --dataset_dir of a data set that names them, or --label_names, the "
            "background first, as in \"['background', 'liver']\""
        )
    names = tuple(class_names(dataset_dir=dataset_dir or "", layout=layout, stated=label_names))
    settings |= {"modality": stated, "label_names": list(names)}
    if channels:
        settings["channel_names"] = channels
    return NewDataSet(settings=settings, modality=stated, label_names=names)


def _own_regions(dataset_dir: str | os.PathLike[str] | None, layout: str) -> Regions | None:
    """Return the regions that a data set states itself, as nnU-Net's does; those of a layout have a convention."""
    of_layout = KNOWN[layout].regions
    if dataset_dir is None or of_layout is None:
        return None
    regions = of_layout(Path(dataset_dir).expanduser().absolute())
    return None if regions is None or is_known_convention(regions.convention) else regions


def _channels(case: Mapping[str, Any]) -> list[str]:
    """Return the names of a case's channels if it has several."""
    return list(case["image"]) if isinstance(case["image"], Mapping) else list(case.get("channels", []))
