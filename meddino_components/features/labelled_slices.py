"""Labelled slices on which features are judged: some from which probes learn, others on which they are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..embeddings import Encoder
from ..errors import InputError
from .patch_features import SliceFeatures, extract_features

Slices = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class EncodedSlices:
    """Features of labelled slices from one encoder.

    Attributes:
        training: features of the slices from which probes learn; None if there are none.
        test: features of the slices on which probes are scored.
    """

    training: SliceFeatures | None
    test: SliceFeatures


@dataclass(frozen=True, kw_only=True)
class LabelledSlices:
    """Slices, and how their patches are labelled.

    Attributes:
        test: held-out slices, see `ReferenceSlices`.
        train: slices from which probes learn; None if features are only drawn, and labels are then not read.
        label_names: class names by number, background first; required with ``train``.
        min_purity: share of a patch that its class has to cover.
        include_background: whether probes learn and predict background, too; organ scores never include it.
        batch_size: number of slices encoded at once.

    Raises:
        InputError: there is ``train`` without ``label_names``.
    """

    test: Slices
    train: Slices | None = None
    label_names: Sequence[str] = ()
    min_purity: float = 0.5
    include_background: bool = False
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.train is not None and not self.label_names:
            raise InputError(
                "label_names is empty, so n_classes is 0; expected a name for each class, background first"
            )

    @property
    def n_classes(self) -> int:
        return len(self.label_names)

    def encode(self, encoder: Encoder, *, patch_size: int) -> EncodedSlices:
        """Encode all slices.

        Raises:
            InputError: see `extract_features`.
        """

        def features(slices: Slices) -> SliceFeatures:
            return extract_features(
                encoder,
                slices,
                patch_size=patch_size,
                n_classes=None if self.train is None else self.n_classes,
                min_purity=self.min_purity,
                include_background=self.include_background,
                batch_size=self.batch_size,
            )

        training = None if self.train is None else features(self.train)
        return EncodedSlices(training=training, test=features(self.test))
