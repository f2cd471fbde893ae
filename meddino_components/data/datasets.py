"""Data lists from public data-set layouts: who is a case, which files it has, which fold it falls into.

A case is {"image": path, "label": path, "case_id": str, "modality": "ct" | "mr"}; without "label" in the test section,
and with {sequence: path} as "image" where a case has several files.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from monai.data import partition_dataset

from ..errors import InputError
from .cases import image_paths, is_image
from .found_folders import is_left_over
from .intensity import Modality, parse_modality
from .sequences import (
    JsonSection,
    group_sequences,
    read_sequence_datalist,
    require_complete,
    sequence_of,
    sequences_beside,
)
from .text_headers import detached_files

Layout = Literal["amos", "nnunet_raw", "msd", "brats"]
Section = Literal["training", "validation", "all_labelled", "official_validation", "test"]
Case = dict[str, Any]

AMOS_LABELS: dict[int, str] = {
    0: "background",
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gall bladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "postcava",
    10: "pancreas",
    11: "right adrenal gland",
    12: "left adrenal gland",
    13: "duodenum",
    14: "bladder",
    15: "prostate/uterus",
}
_AMOS_FIRST_MR = 500
# sections that are lists of their own in a data list; the others are parts of "training"
_OWN_LISTS: dict[Section, JsonSection] = {"official_validation": "validation", "test": "test"}


def read_datalist(
    dataset_dir: str | Path,
    layout: Layout,
    section: Section = "training",
    fold: int = 0,
    n_folds: int = 5,
    seed: int = 0,
    modality: str | None = None,
    exclude: Sequence[str] = (),
) -> list[Case]:
    """Cases of one section of a data set.

    Layouts: "amos" (AMOS22 as downloaded; cases numbered below 500 are CT, the others MR), "nnunet_raw"
    (DatasetXXX_Name of nnU-Net v2, one channel), "msd" (Medical Segmentation Decathlon, one channel), "brats" (a folder
    with the sequences and the label of each case side by side, or a .json data list, see `sequences`; a folder's
    unlabelled cases are "test"; an item ``fold`` in every entry of a list decides about the folds).

    Sections: "training" and "validation" split the labelled training list into `n_folds` folds, shuffled by `seed`
    and the sorted case ids, so that neither the order of files nor of the list matters; "all_labelled" is that list
    unsplit; "official_validation" the data set's own validation list, never mixed with the folds; "test" its images
    without labels.

    Args:
        dataset_dir: folder that holds dataset.json (brats: see above).
        layout: see above.
        section: see above.
        fold: the fold that is "validation", from 0.
        n_folds: number of folds.
        seed: of the shuffle before splitting.
        modality: amos: keep only the cases of this modality; the others: what the images are, required unless
            dataset.json says "CT".
        exclude: case ids to leave out.

    Returns:
        Cases sorted by id, with absolute paths.

    Raises:
        InputError: dataset.json missing or not as expected, listed files missing, case ids that recur, nothing left,
            a fold out of range, an unknown modality.
    """
    root = Path(dataset_dir).expanduser().absolute()
    if layout not in get_args(Layout):
        raise InputError(f"layout is {layout!r}; expected one of {', '.join(get_args(Layout))}.")
    if section not in get_args(Section):
        raise InputError(f"section is {section!r}; expected one of {', '.join(get_args(Section))}.")
    wanted = None if modality is None else parse_modality(modality, "modality")
    cases = _READERS[layout](root, section, wanted)
    cases = [c for c in cases if c["case_id"] not in set(exclude)]
    if not cases:
        raise InputError(
            f"{root if layout == 'brats' else root / 'dataset.json'}: no case left in section '{section}'"
            + (f" with modality '{wanted}'" if wanted else "")
            + ". Check dataset_dir, section, modality and exclude."
        )
    cases.sort(key=lambda c: c["case_id"])
    _check_files_exist(cases, root)
    if section in ("training", "validation"):
        return _fold(cases, section == "training", fold, n_folds, seed)
    return cases


def label_names(dataset_dir: str | Path, layout: Layout) -> dict[int, str]:
    """Label id to name, background included, from dataset.json.

    Raises:
        InputError: dataset.json missing or its "labels" not one name an id.
    """
    root = Path(dataset_dir).expanduser().absolute()
    labels = _read_json(root).get("labels")
    if layout == "amos" and labels is None:
        return dict(AMOS_LABELS)
    try:
        if not isinstance(labels, dict):
            raise TypeError
        # nnU-Net v2 maps names to ids, the others ids to names
        pairs = [(int(v), str(k)) if layout == "nnunet_raw" else (int(k), str(v)) for k, v in labels.items()]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{root / 'dataset.json'}: 'labels' is {labels!r:.200}; expected one integer id a name (no regions)."
        ) from error
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"{root / 'dataset.json'}: 'labels' gives one id to two names: {labels!r:.200}.")
    return dict(sorted(pairs))


def _read_json(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file. Set dataset_dir to the folder that holds dataset.json.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}). Download or write it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected an object.")
    return content


def _read_amos(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    name = {"official_validation": "validation", "test": "test"}.get(section, "training")
    cases = _listed_cases(root, name)
    for case in cases:
        number = case["case_id"].rsplit("_", 1)[-1]
        if not number.isdigit():
            raise InputError(
                f"{root / 'dataset.json'}: case '{case['case_id']}' has no number at its end, which tells CT from MR; "
                "expected names as amos_0001."
            )
        case["modality"] = "ct" if int(number) < _AMOS_FIRST_MR else "mr"
    return [c for c in cases if modality in (None, c["modality"])]


def _read_msd(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if section == "official_validation":
        raise InputError(f"{root}: layout 'msd' has no validation list of its own. Use section 'validation'.")
    stated = _stated_modality(root, _read_json(root).get("modality"), modality)
    return [c | {"modality": stated} for c in _listed_cases(root, "test" if section == "test" else "training")]


def _read_nnunet_raw(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if section == "official_validation":
        raise InputError(f"{root}: layout 'nnunet_raw' has no validation list of its own. Use section 'validation'.")
    content = _read_json(root)
    stated = _stated_modality(root, content.get("channel_names"), modality)
    ending = content.get("file_ending")
    if not isinstance(ending, str) or not ending.startswith("."):
        raise InputError(f"{root / 'dataset.json'}: 'file_ending' is {ending!r}; expected for instance '.nii.gz'.")
    if section == "test":
        images = _files(root / "imagesTs", f"_0000{ending}")
        return [{"image": str(p), "case_id": p.name.removesuffix(f"_0000{ending}"), "modality": stated} for p in images]
    labels = _files(root / "labelsTr", ending)
    if labels and content.get("numTraining", len(labels)) != len(labels):
        raise InputError(
            f"{root / 'dataset.json'}: numTraining is {content['numTraining']} but labelsTr holds "
            f"{len(labels)} labels. Complete the data set or correct the number."
        )
    ids = [p.name.removesuffix(ending) for p in labels]
    return [
        {
            "image": str(root / "imagesTr" / f"{i}_0000{ending}"),
            "label": str(p),
            "case_id": i,
            "modality": stated,
        }
        for i, p in zip(ids, labels, strict=True)
    ]


def _files(folder: Path, ending: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"*{ending}") if not is_left_over(path))


def _read_brats(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    if modality == "ct":
        raise InputError("modality is 'ct'; the layout 'brats' is of MRI sequences. Set the modality to mr.")
    if root.suffix == ".json":
        cases = read_sequence_datalist(root, _OWN_LISTS.get(section, "training"), labelled=section != "test")
    elif section == "official_validation":
        raise InputError(f"{root}: a folder has no validation list. Use section 'validation', or a .json data list.")
    else:
        found = group_sequences(*image_paths(root, None))
        cases = [case for case in found if ("label" in case) == (section != "test")]
        if section != "test" and len(cases) < len(found):
            left_out = [str(case["case_id"]) for case in found if "label" not in case]
            warnings.warn(
                f"{root}: {len(left_out)} cases have no label and are left out: {', '.join(left_out[:5])}", stacklevel=2
            )
    require_complete(cases)
    return cases


_READERS: dict[str, Callable[[Path, Section, Modality | None], list[Case]]] = {
    "amos": _read_amos,
    "nnunet_raw": _read_nnunet_raw,
    "msd": _read_msd,
    "brats": _read_brats,
}


def _stated_modality(root: Path, channels: Any, modality: Modality | None) -> Modality:
    path = root / "dataset.json"
    if not isinstance(channels, dict) or len(channels) != 1:
        raise InputError(f"{path}: channels are {channels!r:.200}; expected exactly one, for instance {{'0': 'CT'}}.")
    name = str(next(iter(channels.values())))
    is_ct = name.upper() == "CT"
    if modality is None and not is_ct:
        raise InputError(f"{path}: the channel is named '{name}', which is not 'CT'. State the modality: ct or mr.")
    if modality == "mr" and is_ct:
        raise InputError(f"{path}: the channel is named 'CT' but the modality given is 'mr'. Correct one of them.")
    return modality or "ct"


def _listed_cases(root: Path, name: str) -> list[Case]:
    """Cases of one list of dataset.json; entries are {"image", "label"} or the image's path alone."""
    entries = _read_json(root).get(name, [])
    if not isinstance(entries, list):
        raise InputError(f"{root / 'dataset.json'}: '{name}' is a {type(entries).__name__}; expected a list.")
    pairs = [_paths_of(entry, root, labelled=name != "test") for entry in entries]
    ids = _case_ids([image for image, _ in pairs], root)
    recurring = [label for label, n in Counter(label for _, label in pairs if label is not None).items() if n > 1]
    if recurring:
        raise InputError(
            f"{root / 'dataset.json'}: {recurring[0]} is the label of more than one image; expected one for each. "
            "Correct the list."
        )
    cases: list[Case] = []
    for case_id, (image, label) in zip(ids, pairs, strict=True):
        case = {"image": str(image), "case_id": case_id}
        cases.append(case if label is None else case | {"label": str(label)})
    return cases


def _paths_of(entry: Any, root: Path, *, labelled: bool) -> tuple[Path, Path | None]:
    item = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise InputError(
            f"{root / 'dataset.json'}: entry {entry!r:.200}; expected {{'image': path, 'label': path}} or a path."
        )
    image = (root / item["image"]).absolute()
    if not labelled:
        return image, None
    if isinstance(item.get("label"), str):
        return image, (root / item["label"]).absolute()
    # entries that are a path alone: the label lies in the sister folder under the same name
    return image, image.parent.parent / image.parent.name.replace("images", "labels") / image.name


def _case_ids(images: list[Path], root: Path) -> list[str]:
    """File names without suffix; the folder's name for those that share a file name."""
    stems = [_stem(p) for p in images]
    count = Counter(stems)
    ids = [s if count[s] == 1 else p.parent.name for s, p in zip(stems, images, strict=True)]
    recurring = sorted(i for i, n in Counter(ids).items() if n > 1)
    if recurring:
        # outputs are named by case id: two cases of one id would overwrite each other
        which = [str(p) for p, i in zip(images, ids, strict=True) if i == recurring[0]]
        raise InputError(
            f"{root / 'dataset.json'}: {len(recurring)} case ids recur, the first '{recurring[0]}' for "
            f"{', '.join(which[:3])}. List each case once, or rename files or folders so that they differ."
        )
    return ids


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name


def case_files(case: Mapping[str, Any]) -> list[str]:
    """Paths of a case's image or sequences, with those beside an image that is one sequence, and of its label.

    With a header goes the file that it names for its voxels.
    """
    image = case["image"]
    if not isinstance(image, Mapping) and is_image(Path(image)) and sequence_of(image)[1]:
        image = {"": image, **sequences_beside(image)["image"]}
    paths = dict.fromkeys(image.values() if isinstance(image, Mapping) else [image])
    files = [str(path) for path in [*paths, *([case["label"]] if "label" in case else [])]]
    return files + [str(data) for file in files for data in detached_files(Path(file))]


def _check_files_exist(cases: list[Case], root: Path) -> None:
    missing = [path for case in cases for path in case_files(case) if not Path(path).exists()]
    if missing:
        where = root if root.suffix == ".json" else root / "dataset.json"
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(
            f"{where}: {len(missing)} listed files do not exist: {', '.join(missing[:5])}{more}. "
            "Complete the data set or remove them from the list."
        )


def _fold(cases: list[Case], training: bool, fold: int, n_folds: int, seed: int) -> list[Case]:
    if not 0 <= fold < n_folds:
        raise InputError(f"fold is {fold}; expected 0..{n_folds - 1} (n_folds is {n_folds}).")
    if len(cases) < n_folds or n_folds < 2:
        raise InputError(f"{len(cases)} cases cannot be split into {n_folds} folds; expected 2 <= n_folds <= cases.")
    if all("fold" in c for c in cases):
        chosen = [c for c in cases if (c["fold"] != fold) == training]
        if not chosen:
            raise InputError(f"no case of the data list is in fold {fold}, or all are. Correct their 'fold' or fold.")
        return chosen
    folds = partition_dataset(cases, num_partitions=n_folds, shuffle=True, seed=seed)
    chosen = [c for i, part in enumerate(folds) if (i != fold) == training for c in part]
    return sorted(chosen, key=lambda c: c["case_id"])
