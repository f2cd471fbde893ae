"""Several networks that segment together, of which one at a time is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints import LoadReport, load_network_weights
from ..errors import InputError
from .model_settings import ModelSettings, network_of_weights


@dataclass(frozen=True)
class EnsembleReport:
    """The import of all networks of an ensemble; ``str(report)`` is readable text for a log.

    Attributes:
        reports: reports of the networks, in the order of their SHA-256.
    """

    reports: tuple[LoadReport, ...]

    @property
    def sha256(self) -> str:
        """Return one SHA-256 for all the weights, whatever the order in which they were given."""
        return sha256(" ".join(report.sha256 for report in self.reports).encode("ascii")).hexdigest()

    def __str__(self) -> str:
        return "\n".join(map(str, self.reports))


class MemberNetwork:
    """One network of an ensemble, whose tensors are in memory only during its turn.

    Until then they are in a file. During its turn they are mapped into memory from there, or copied to a GPU.

    Args:
        settings: settings of its weights.
        folder: folder for the file.

    Raises:
        InputError: the weights cannot be read, or belong to another network.
    """

    def __init__(self, *, settings: ModelSettings, folder: Path) -> None:
        self.settings = settings
        self.network = network_of_weights(settings=settings)
        self.report = load_network_weights(self.network, settings.source)
        self.network.eval().requires_grad_(False)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".pt", delete=False) as file:
            torch.save({name: tensor.detach() for name, tensor in self._tensors()}, file)
        self._file = file.name
        self._put_away()

    @contextmanager
    def turn(self, device: torch.device) -> Iterator[nn.Module]:
        """Have the network on a device until the end of the block."""
        stored: dict[str, Tensor] = torch.load(self._file, map_location="cpu", weights_only=True, mmap=True)
        try:
            for name, tensor in self._tensors():
                tensor.data = stored.pop(name).to(device)
            yield self.network
        finally:
            self._put_away()

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        return chain(self.network.named_parameters(), self.network.named_buffers())

    def _put_away(self) -> None:
        for _, tensor in self._tensors():
            tensor.data = torch.empty(0, dtype=tensor.dtype)


class _ParkedNetworks:
    """The networks of an ensemble and its copies: MONAI Label copies a network for each request."""

    def __init__(self, settings: Sequence[ModelSettings]) -> None:
        self.turn = Lock()
        self._settings = settings
        self._members: tuple[MemberNetwork, ...] = ()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> _ParkedNetworks:
        return self

    def members(self) -> tuple[MemberNetwork, ...]:
        with self.turn:
            if not self._members:
                self._folder = tempfile.TemporaryDirectory(prefix="meddino-ensemble-")
                folder = Path(self._folder.name)
                found = [MemberNetwork(settings=one, folder=folder) for one in self._settings]
                self._members = tuple(sorted(found, key=lambda member: member.report.sha256))
            return self._members


class NetworkEnsemble(nn.Module):
    """Networks that segment together: `VolumeInferer` averages their class probabilities.

    They take turns, so memory holds the tensors of one network. Those of all are in temporary files (in ``TMPDIR``),
    from which they are mapped into memory on a CPU, or copied to a GPU. The networks are ordered by the SHA-256 of
    their weights, so labels do not depend on the order in which weights were given.

    Args:
        settings: joined settings of the networks, see `joined_settings`.
    """

    def __init__(self, *, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        # moves with the module, so it knows the device
        self.register_buffer("_place", torch.empty(0), persistent=False)
        self._parked = _ParkedNetworks(settings.members)

    @property
    def device(self) -> torch.device:
        """Return the device that computes."""
        return self.get_buffer("_place").device

    def members(self) -> tuple[MemberNetwork, ...]:
        """Return the networks; the first call reads their weights.

        Raises:
            InputError: see `MemberNetwork`.
        """
        return self._parked.members()

    @contextmanager
    def turn(self, member: MemberNetwork) -> Iterator[nn.Module]:
        """Have one of the networks in memory until the end of the block; other threads wait."""
        with self._parked.turn, member.turn(self.device) as network:
            yield network

    def forward(self, x: Tensor) -> Tensor:
        raise InputError(
            "several networks have no common window, so they cannot be called as one: segment a volume with "
            "VolumeInferer, or use one network"
        )
