"""The network, or the networks, that ``model_path`` names: their settings, weights and description for results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from ..checkpoints import LoadReport, load_network_weights
from ..errors import InputError
from .ensemble_settings import joined_settings
from .model_settings import ModelSettings, network_of_weights, settings_of_weights
from .network_ensemble import EnsembleReport, NetworkEnsemble
from .postprocessing import OrganSteps

_Path = str | os.PathLike[str]
# settings in which the networks of an ensemble may differ
OWN_SETTINGS = ("roi_size", "pixdim", "resampling", "context_slices")


def model_settings(
    *,
    model_path: _Path | Sequence[_Path],
    typed: Mapping[str, Any],
    published: Mapping[str, Any],
    modality: str | Mapping[str, str] | None = None,
    postprocess: OrganSteps | Literal[False] | None = None,
    bundle_root: _Path = ".",
) -> ModelSettings:
    """Determine the settings of the network in a weight file, or of several that segment together.

    Args:
        model_path: path of the weights, or several.
        typed: settings of the user by key of the configuration; None if not typed. They must match each record.
        published: settings that the bundle was published with, for weights without a record.
        modality: modality as typed.
        postprocess: steps of post-processing as typed, see `settings_of_weights`.
        bundle_root: folder of the bundle, see `settings_of_weights`.

    Raises:
        InputError: see `settings_of_weights` and `joined_settings`.
    """
    paths = paths_of(model_path)
    if not paths:
        raise InputError("model_path is an empty list; expected the path of weights, or several")
    found = [
        settings_of_weights(
            model_path=path,
            typed=typed,
            published=published,
            modality=modality,
            postprocess=postprocess,
            bundle_root=bundle_root,
        )
        for path in paths
    ]
    return found[0] if len(found) == 1 else joined_settings(found)


def paths_of(model_path: _Path | Sequence[_Path]) -> list[_Path]:
    """Return the paths that ``model_path`` lists, or its only one."""
    return [model_path] if isinstance(model_path, (str, os.PathLike)) else list(model_path)


def network_of_model(*, settings: ModelSettings, dropout: float = 0.0) -> nn.Module:
    """Build the network of a weight file with random weights, or an ensemble, which reads its weights when needed.

    Args:
        settings: settings of the weights.
        dropout: dropout before the decoder, see `MedDinoSegmenter`; not for an ensemble.

    Raises:
        InputError: the network does not exist, or comes from another project and the record does not describe it.
    """
    if settings.members:
        return NetworkEnsemble(settings=settings)
    return network_of_weights(settings=settings, dropout=dropout)


def load_model_weights(*, network: nn.Module, source: _Path | Sequence[_Path]) -> LoadReport | EnsembleReport:
    """Load the weights of a network, or of all networks of an ensemble.

    Args:
        network: network as `network_of_model` builds it.
        source: path of the weights, or several.

    Raises:
        InputError: the weights cannot be read, or belong to another network; or there are several for one network.
    """
    if isinstance(network, NetworkEnsemble):
        return EnsembleReport(tuple(member.report for member in network.members()))
    paths = paths_of(source)
    if len(paths) != 1:
        raise InputError(
            f"model_path lists {len(paths)} weights, but network_def is one {type(network).__name__}: give one path, "
            "or leave network_def out"
        )
    return load_network_weights(network, paths[0])


def member_facts(*, network: nn.Module) -> list[dict[str, Any]] | None:
    """Describe each network of an ensemble, for results; None for a single network.

    Args:
        network: network as `network_of_model` builds it.
    """
    if not isinstance(network, NetworkEnsemble):
        return None
    return [
        {
            "model": os.path.basename(member.settings.source),
            "model_sha256": member.report.sha256,
            "record_id": member.settings.record_id,
            "network": member.settings.selection,
            **{name: getattr(member.settings, name) for name in OWN_SETTINGS},
        }
        for member in network.members()
    ]
