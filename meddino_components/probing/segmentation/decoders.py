"""Define a decoder of frozen maps: its settings, and the network that they describe."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from ...bundle.kinds import read_fields, whole
from ...errors import InputError
from ...networks.map_decoders import ConvMapDecoder, LinearMapDecoder, MapDecoder, PseudoVolumeDecoder


@dataclass(frozen=True, kw_only=True)
class Decoder(ABC):
    """The base class of decoders: a frozen dataclass whose fields are the decoder's settings.

    A subclass gives ``name`` a default and implements `build`.

    Attributes:
        name: name of the decoder in tables and file names.
        reads_all_levels: True if the network reads the maps of all known blocks of the encoder, not of the last alone.
        reads_neighbours: True if a slice's labels depend on its neighbours; by default only volumes get such a decoder.
    """

    name: str
    reads_all_levels: ClassVar[bool] = False
    reads_neighbours: ClassVar[bool] = False

    @abstractmethod
    def build(self, *, in_channels: int, num_levels: int, num_classes: int, patch_size: int) -> MapDecoder:
        """Build the network with new weights.

        Args:
            in_channels: width of the encoder.
            num_levels: number of levels that the network gets, see `levels_read`.
            num_classes: number of classes, background included.
            patch_size: patch size of the encoder in pixels.
        """

    def levels_read(self, num_levels: int) -> int:
        """Return how many of an encoder's levels the network gets, counted from the last one."""
        return num_levels if self.reads_all_levels else 1

    def identity(self) -> dict[str, Any]:
        """Plain data that changes with the decoder's class and with every setting that affects its network."""
        settings = {field.name: getattr(self, field.name) for field in fields(self) if field.compare}
        return {"decoder": f"{type(self).__module__}.{type(self).__qualname__}", **settings}


@dataclass(frozen=True, kw_only=True)
class LinearDecoder(Decoder):
    """A class for each patch from its own vector, interpolated between patches; see `LinearMapDecoder`."""

    name: str = "linear"

    def build(self, **sizes: int) -> MapDecoder:
        """Build the network, see `Decoder.build`."""
        return LinearMapDecoder(**sizes)


@dataclass(frozen=True, kw_only=True)
class PlaneDecoder(Decoder):
    """Two convolutions, slice by slice; see `ConvMapDecoder`.

    Attributes:
        width: number of channels after the first convolution.

    Raises:
        InputError: ``width`` is below 2.
    """

    width: int = 128
    name: str = "conv_2d"

    def __post_init__(self) -> None:
        read_fields(self, width=whole(2))

    def build(self, **sizes: int) -> MapDecoder:
        """Build the network, see `Decoder.build`."""
        return ConvMapDecoder(**sizes, width=self.width)


@dataclass(frozen=True, kw_only=True)
class VolumeDecoder(Decoder):
    """A light 3D decoder of stacked slice maps, with skips from earlier blocks; see `PseudoVolumeDecoder`.

    Attributes:
        width: number of channels on the coarsest maps.

    Raises:
        InputError: ``width`` is below 1.
    """

    width: int = 64
    name: str = "conv_3d"
    reads_all_levels: ClassVar[bool] = True
    reads_neighbours: ClassVar[bool] = True

    def __post_init__(self) -> None:
        read_fields(self, width=whole(1))

    def build(self, **sizes: int) -> MapDecoder:
        """Build the network, see `Decoder.build`."""
        return PseudoVolumeDecoder(**sizes, width=self.width)


def suitable_decoders(decoders: Sequence[Decoder] | None, *, has_pictures: bool) -> tuple[Decoder, ...]:
    """Return the decoders of a configuration; if it lists none, all of this module that suit the data.

    Args:
        decoders: the list, or None.
        has_pictures: whether some cases are single pictures, which have no neighbouring slices.

    Raises:
        InputError: see `check_decoders`.
    """
    if decoders is not None:
        check_decoders(decoders)
        return tuple(decoders)
    return tuple(
        one for one in (LinearDecoder(), PlaneDecoder(), VolumeDecoder()) if not (has_pictures and one.reads_neighbours)
    )


def check_decoders(decoders: Sequence[Decoder]) -> None:
    """Check a list of decoders as a configuration gives it.

    Raises:
        InputError: the list is empty, holds something that is not a decoder, a name that cannot be part of a file
            name, or two decoders of one name.
    """
    if not isinstance(decoders, Sequence) or isinstance(decoders, str) or not decoders:
        raise InputError(
            f"decoders is {decoders!r}; expected null or a list of at least one component, {{'_target_': ...}}"
        )
    if strange := [one for one in decoders if not isinstance(one, Decoder)]:
        raise InputError(
            f"decoders contains {strange[0]!r}; expected components, {{'_target_': ...}}, whose class is a subclass of "
            "meddino_components.probing.Decoder"
        )
    names = [decoder.name for decoder in decoders]
    if odd := [name for name in names if not re.fullmatch(r"[\w-]+", name)]:
        # it is part of file names
        raise InputError(f"decoder is named {odd[0]!r}; expected letters, digits, - and _")
    if len(set(names)) < len(names):
        raise InputError(f"decoders are named {', '.join(names)}; expected different names: set 'name' of one of them")
