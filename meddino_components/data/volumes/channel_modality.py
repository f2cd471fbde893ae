"""Define the modality of each channel of a case, and with it how the channel is normalised.

Reference:
    nnU-Net, documentation/dataset_format.md and explanation_normalization.md: the names in ``channel_names`` decide
    the normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from ...errors import InputError
from .ct_or_mr import MODALITIES, Modality, parse_modality

# "zscore", "rescale_to_0_1" and "nonorm" are nnU-Net's names of a normalisation, for channels of any other kind
ChannelModality = Literal["ct", "mr", "pet", "zscore", "rescale_to_0_1", "nonorm"]
CHANNEL_MODALITIES: tuple[ChannelModality, ...] = get_args(ChannelModality)
CaseModality = Modality | dict[str, ChannelModality]

# names of MR channels in public data sets
_MR_NAMES = frozenset(
    ("mr", "mri", "t1", "t1w", "t1n", "t1c", "t1ce", "t1gd", "t2", "t2w", "t2f", "flair", "fla", "adc", "dwi")
)
_OF_PICTURES = "rgb_to_0_1"


def parse_channel_modality(value: object, what: str) -> ChannelModality:
    """Parse the modality of one channel from a string in upper or lower case.

    Raises:
        InputError: the value is unknown.
    """
    for modality in CHANNEL_MODALITIES:
        if isinstance(value, str) and value.lower() == modality:
            return modality
    raise InputError(f"{what} is {value!r}; expected one of {', '.join(CHANNEL_MODALITIES)}.")


def parse_case_modality(value: object, what: str) -> CaseModality:
    """Parse "ct" or "mr" for all channels of a case, or a mapping from each channel to its modality.

    Raises:
        InputError: the value is neither.
    """
    if isinstance(value, Mapping):
        return {str(name): parse_channel_modality(one, f"{what} of channel '{name}'") for name, one in value.items()}
    return parse_modality(value, what)


def modality_of_channel(name: str, what: str) -> ChannelModality:
    """Return the modality of a channel by its name in ``channel_names`` of nnU-Net or ``modality`` of the Decathlon.

    As in nnU-Net, CT is normalised as CT, and a name without a meaning by its z-score.

    Raises:
        InputError: the channel is one of a picture.
    """
    word = name.casefold()
    if word == _OF_PICTURES:
        raise InputError(f"{what}: the channel '{name}' is one of a colour picture; expected channels of a scan.")
    if word in _MR_NAMES:
        return "mr"
    return next((modality for modality in CHANNEL_MODALITIES if modality == word), "zscore")


def joint_modality(modalities: Mapping[str, ChannelModality]) -> CaseModality:
    """Return "ct" or "mr" if all channels have that modality, otherwise the mapping."""
    found = set(modalities.values())
    for modality in MODALITIES:
        if found == {modality}:
            return modality
    return dict(modalities)
