"""List cases for inference, with as many channels as the network has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.channel_modality import parse_case_modality
from .dataset_json import DATASET_JSON, Case
from .layouts import KNOWN, recognised_layout
from .listing import image_paths, list_cases
from .sequence_list import read_sequence_datalist
from .sequences import group_sequences

_LAYOUTS = ("nnunet_raw", "msd")


def list_channel_cases(
    source: str | Path | Iterable[str | Path],
    *,
    channels: Sequence[str],
    modality: str | Mapping[str, str] | None = None,
    channel_modality: str | Mapping[str, str] | None = None,
    exclude: str | Path | None = None,
    series_uid: str | Sequence[str] | None = None,
) -> list[Case]:
    """Return case dicts for inference, see `list_cases`; with several channels, "image" is {channel: path}.

    Several channels are found in one of these ways: ``source`` is a data set in the layout nnunet_raw or msd, or one of
    its folders of images, whose ``dataset.json`` names the channels; or a ``.json`` data list, see
    `read_sequence_datalist`; or files next to each other whose names differ in the word for the channel, such as
    ``a_CT.nii.gz`` and ``a_PET.nii.gz``.

    Args:
        source: as above; for one channel see `list_cases`.
        channels: names of the network's channels.
        modality: modality as the user states it, for one channel.
        channel_modality: modality of all channels, or a mapping from channel to modality; for several channels.
        exclude: folder to skip, for predictions that are written below ``source``.
        series_uid: for one channel, see `list_cases`.

    Returns:
        Cases sorted by id. If a channel of a case is missing or duplicated, an item ``problem`` says so.

    Raises:
        InputError: nothing is found, the name of a file identifies no channel, or the modality is not stated.
    """
    if len(channels) == 1:
        if isinstance(modality, Mapping):
            raise InputError(f"modality is {dict(modality)}, but the network has one channel. Set it to ct or mr")
        return list(list_cases(source, modality=modality, exclude=exclude, series_uid=series_uid))
    if channel_modality is None:
        raise InputError(
            f"no modality is stated for the channels {', '.join(channels)}, and the weights do not record it. Set "
            f"modality to a mapping from each channel to its modality, such as {{'CT': 'ct', 'PET': 'pet'}}"
        )
    stated = parse_case_modality(channel_modality, "modality")
    cases = _cases(source, channels, exclude)
    unlabelled: list[Case] = []
    for case in cases:
        if case["image"]:  # a label without channels is not a case
            unlabelled.append({key: value for key, value in case.items() if key not in ("label", "label_values")})
    return [case | {"modality": stated} for case in unlabelled]


def _cases(
    source: str | Path | Iterable[str | Path], channels: Sequence[str], exclude: str | Path | None
) -> list[Case]:
    if isinstance(source, (str, Path)):
        if Path(source).suffix == ".json":
            return read_sequence_datalist(source, None, sequences=channels)
        if (found := _of_data_set(Path(source).expanduser().absolute())) is not None:
            return found
    paths, base = image_paths(source, exclude)
    return group_sequences(paths, base, sequences=channels, named=not isinstance(source, (str, Path)))


def _of_data_set(folder: Path) -> list[Case] | None:
    """Return the cases of a data set, or of one of its folders of images; None for any other folder."""
    root = folder if (folder / DATASET_JSON).is_file() else folder.parent
    layout = recognised_layout(root) if (root / DATASET_JSON).is_file() else None
    if layout not in _LAYOUTS:
        return None
    read = KNOWN[layout].read
    cases = [*read(root, "all_labelled", None), *read(root, "test", None)]
    found = [case for case in cases if all(path.is_relative_to(folder) for path in _files(case["image"]))]
    if not found:
        raise InputError(f"{folder}: contains no image of the data set {root}. Give the data set or a folder of images")
    return sorted(found, key=lambda case: str(case["case_id"]))


def _files(image: Any) -> list[Path]:
    return [Path(path) for path in (image.values() if isinstance(image, Mapping) else [image])]
