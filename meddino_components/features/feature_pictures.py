"""Which slices are drawn with their features, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..pictures.slice_choice import evenly_spaced
from .feature_map_sheet import write_feature_maps
from .feature_maps import PrincipalColours
from .labelled_slices import Slices
from .patch_features import SliceFeatures


@dataclass(frozen=True, kw_only=True)
class FeaturePictures:
    """Settings of the sheets of feature maps.

    Attributes:
        n_pictures: number of slices to draw, evenly spaced; 0 draws none.
        n_points: number of points in each slice whose cosine similarity to all patches is drawn.
        window: (low, high) grey window in the images' units; None derives it from the slices.
    """

    n_pictures: int = 4
    n_points: int = 3
    window: tuple[float, float] | None = None

    def draw(
        self,
        path: Path,
        slices: Slices,
        features: SliceFeatures,
        *,
        title: str,
        note: str = "",
        previous: Tensor | None = None,
    ) -> PrincipalColours:
        """Write a sheet; see `write_feature_maps`.

        Args:
            path: PNG to write.
            slices: all slices, from which those to draw are chosen.
            features: features of all slices.
            title: title of the sheet.
            note: fainter text beside the title.
            previous: components of an earlier sheet of the same slices, to which colours are aligned.
        """
        chosen = evenly_spaced(len(slices), self.n_pictures)
        return write_feature_maps(
            path,
            slices=[slices[k] for k in chosen],
            patches=features.patches[chosen],
            grid=features.grid,
            title=title,
            note=note,
            n_points=self.n_points,
            window=self.window,
            previous=previous,
        )
