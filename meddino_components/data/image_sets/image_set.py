"""A labelled set of images for classification, and what must hold before numbers from it mean anything.

N samples, K labels.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...wording import counted, first_few
from ..volumes.stamps import Stamp, file_stamp
from .tiling import Tiling

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
ImageModality = Literal["ct", "mr", "picture"]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image and its labels.

    Attributes:
        sample_id: unique in the set.
        image: absolute path of the file that holds it, or of a folder with one DICOM series or the tiles of a slide.
        index: number of the image in its split, in a file that holds many (see `load_picture`); else None.
        patient: id of the patient, who must not be on both sides of a split; ``sample_id`` if the set states none.
        split: "train", "val" or "test".
        labels: (class number,), or 0 or 1 for each label.
    """

    sample_id: str
    image: str
    index: int | None
    patient: str
    split: Split
    labels: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Samples with what their labels mean: a whole set, or one split of it.

    Attributes:
        name: name of the set.
        samples: in the order of `targets`.
        label_names: names of the classes by number, or of the labels by position.
        multi_label: several labels at once, each 0 or 1; else one class number.
        dimensions: 2 for pictures, 3 for volumes.
        modality: "ct" and "mr" are volumes in files of their own, with a grid and, for CT, units: `LoadVolumed` reads
            them and `NormalizeIntensityByModalityd` scales them. "picture" is what has 8 or 16 bits without units
            (photographs, radiographs, what MedMNIST made of scans): `load_picture` gives values in 0..1.
        tiling: settings for cutting slides into tiles, as each slide is many pictures (`slide_of`); None otherwise.
    """

    name: str
    samples: tuple[Sample, ...]
    label_names: tuple[str, ...]
    multi_label: bool
    dimensions: Literal[2, 3]
    modality: ImageModality
    tiling: Tiling | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def targets(self) -> npt.NDArray[np.int64]:
        """Class numbers [N], or 0 and 1 [N, K] where there are several labels."""
        rows = np.array([sample.labels for sample in self.samples], dtype=np.int64)
        return rows if self.multi_label else rows[:, 0]

    def positives(self) -> npt.NDArray[np.int64]:
        """Number of samples of each class or with each label, [K]."""
        targets = self.targets()
        return targets.sum(axis=0) if self.multi_label else np.bincount(targets, minlength=len(self.label_names))

    def one_sided(self) -> list[str]:
        """Names of the classes or labels without an example, or, of labels, without a counterexample."""
        nothing_said = (0, len(self)) if self.multi_label else (0,)
        return [name for name, n in zip(self.label_names, self.positives(), strict=True) if n in nothing_said]

    def stamps(self) -> dict[str, Stamp]:
        """Path of every file or folder of images, as samples name it, to its stamp; see `file_stamp`."""
        return {path: file_stamp(path) for path in dict.fromkeys(sample.image for sample in self.samples)}

    def digest(self) -> str:
        """SHA-256 of all samples with their labels, splits and the stamps of their files, and of what the set says."""
        stamps = self.stamps()
        tiling = asdict(self.tiling) if self.tiling else None
        facts = [self.name, self.label_names, self.multi_label, self.dimensions, self.modality, tiling]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for sample in self.samples:
            digest.update(json.dumps([asdict(sample), stamps[sample.image]], sort_keys=True).encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class ImageSet(Selection):
    """A labelled set with its three splits, checked.

    Attributes:
        allow_same_patient: let a patient be in two splits. Scores are then of patients that were seen in training:
            `shared_patients` says whether it came to that.

    Raises:
        InputError: no sample, ids that recur, labels that do not fit ``label_names``, a split without samples, a class
            or label that the training split does not show, or a patient in two splits.

    Warns:
        A class or label that the validation or test split does not show: it has no score there.
    """

    allow_same_patient: bool = False

    def __post_init__(self) -> None:
        if not self.samples:
            raise InputError(f"{self.name}: no samples. Check the path and the options of the layout.")
        if self.dimensions == 2 and self.modality != "picture":
            raise InputError(
                f"{self.name}: modality '{self.modality}' with dimensions 2. Single pictures have no units: set the "
                "modality to picture, or dimensions to 3 for volumes."
            )
        self._check_ids()
        self._check_labels()
        self._check_splits()
        if not self.allow_same_patient and (shared := self.shared_patients()):
            raise InputError(
                f"{self.name}: {counted(len(shared), 'patient')} in two splits: {first_few(shared)}. A probe would be "
                "scored on patients that it was trained on: split by patient, or set allow_same_patient to true and "
                "report the scores as those within one patient."
            )

    def of(self, split: Split) -> Selection:
        """The samples of one split, in their order."""
        if split not in SPLITS:
            raise InputError(f"split is {split!r}; expected one of {', '.join(SPLITS)}.")
        return Selection(
            name=self.name,
            samples=tuple(sample for sample in self.samples if sample.split == split),
            label_names=self.label_names,
            multi_label=self.multi_label,
            dimensions=self.dimensions,
            modality=self.modality,
            tiling=self.tiling,
        )

    def shared_patients(self) -> tuple[str, ...]:
        """The patients that are in more than one split, sorted."""
        splits = defaultdict(set)
        for sample in self.samples:
            splits[sample.patient].add(sample.split)
        return tuple(sorted(patient for patient, found in splits.items() if len(found) > 1))

    def _check_ids(self) -> None:
        recurring = [i for i, n in Counter(sample.sample_id for sample in self.samples).items() if n > 1]
        if recurring:
            raise InputError(
                f"{self.name}: {len(recurring)} sample ids recur: {first_few(recurring)}. List each image once."
            )

    def _check_labels(self) -> None:
        n_labels = len(self.label_names)
        if n_labels < (1 if self.multi_label else 2) or len(set(self.label_names)) < n_labels:
            raise InputError(
                f"{self.name}: the labels are {first_few(self.label_names)}; expected names that differ, two or more "
                "for classes."
            )
        width, highest = (n_labels, 1) if self.multi_label else (1, n_labels - 1)
        for sample in self.samples:
            if len(sample.labels) != width or not all(0 <= label <= highest for label in sample.labels):
                raise InputError(
                    f"{self.name}: sample {sample.sample_id} has the labels {sample.labels}; expected {width} of "
                    f"0..{highest}. Correct its row."
                )

    def _check_splits(self) -> None:
        for split in SPLITS:
            part = self.of(split)
            if not part.samples:
                raise InputError(
                    f"{self.name}: no sample in split '{split}'. Expected samples in train (the probe), val (its "
                    "settings) and test (its score): give each a share."
                )
            alike, names = part.one_sided(), self.label_names
            if alike and split == "train":
                raise InputError(
                    f"{self.name}: {len(alike)} of {len(names)} labels have no example, or no counterexample, in "
                    f"split 'train': {first_few(alike)}. Nothing can be learnt about them: leave them out, or give "
                    "training such samples."
                )
            if alike:
                warnings.warn(
                    f"{self.name}: {len(alike)} of {len(names)} labels have no example, or no counterexample, in split "
                    f"'{split}' and so no score there: {first_few(alike)}",
                    stacklevel=4,
                )
