"""The pass of an encoder over an image set, once; every probe afterwards reads what it left."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..data.image_sets import SPLITS, ImageSet, Selection, Split
from ..errors import InputError
from ..interruption import ends_on_signal
from .encoder_pass import Encoded, encoded
from .encoders import FrozenEncoder, check_size
from .prepared_images import PREPARATION, PreparedImages
from .slide_encoding import encode_slide
from .store import Embeddings, EmbeddingStore, Kind

logger = logging.getLogger(__name__)

_NAMED = 5  # unreadable samples listed in full in the log


def embed(
    samples: Selection,
    encoder: FrozenEncoder,
    *,
    size_px: int,
    cache_dir: str | Path,
    kinds: Sequence[Kind] = ("cls", "mean_patch"),
    batch_size: int = 32,
    num_workers: int = 0,
    progress: bool = True,
) -> Embeddings:
    """Embeddings of all samples, from disk where they are there already.

    The store's key holds the encoder's digest, the size, and for every sample the path and stamp of its file or folder,
    see `file_stamp`. A pass that was stopped goes on at the first part that is missing. A slide is a sample with its
    tiles as items.

    Args:
        samples: samples to encode.
        encoder: see `FrozenEncoder`.
        size_px: side of a slice or picture, a multiple of the encoder's patch size.
        cache_dir: folder of all stores.
        kinds: kinds of embeddings to keep, see `EmbeddingStore`; "patches" and "levels" take 2 bytes x D per patch (and
            level).
        batch_size: images encoded at once.
        num_workers: processes that read.
        progress: show a bar with the time left.

    Raises:
        InputError: the size does not suit the encoder, its vectors are not finite, or no sample can be read.
    """
    check_size(encoder, size_px)
    # a part is what a kill may cost and what waits in memory: hundreds of pictures, some volumes, a slide; of maps less
    tiling = samples.tiling
    part_samples = 1 if tiling else 256 if samples.dimensions == 2 else 8
    if {"patches", "levels"} & set(kinds):
        part_samples = -(-part_samples // 8)
    store = EmbeddingStore(
        cache_dir,
        identity=_identity(samples, encoder, size_px),
        sample_ids=[sample.sample_id for sample in samples.samples],
        kinds=(*kinds, "origin") if tiling else kinds,
        part_samples=part_samples,
    )
    parts = store.missing_parts()
    if parts:
        numbers = [k for part in parts for k in store.part(part)]
        embeddings: Iterator[Encoded]
        if tiling:
            embeddings = (
                encode_slide(
                    samples.samples[number].image,
                    encoder,
                    tiling=tiling,
                    size_px=size_px,
                    kinds=kinds,
                    batch_size=batch_size,
                    num_workers=num_workers,
                )
                for number in numbers
            )
        else:
            loader = _loader(samples, numbers, encoder, size_px, num_workers)
            embeddings = encoded(loader, encoder, kinds, batch_size)
        with tqdm(total=len(numbers), desc=f"encoding by {encoder.name}", unit="sample", disable=not progress) as bar:
            for part in parts:
                done = []
                for _ in store.part(part):
                    done.append(next(embeddings))
                    bar.update()
                store.write_part(part, done)
    found = store.read()
    _report(found, samples.name)
    return found


def _loader(
    samples: Selection, numbers: Sequence[int], encoder: FrozenEncoder, size_px: int, num_workers: int
) -> DataLoader[Tensor | str]:
    images = PreparedImages(samples, encoder=encoder, size_px=size_px)
    if num_workers and samples.samples[numbers[0]].index is not None:
        _ = images[numbers[0]]  # unpacks the .npz here, so that workers share it instead of unpacking it each
    return DataLoader(
        images,
        sampler=numbers,
        batch_size=None,
        num_workers=num_workers,
        # a generator of its own: workers would otherwise be seeded from the global one
        generator=torch.Generator(),
    )


def _identity(samples: Selection, encoder: FrozenEncoder, size_px: int) -> dict[str, object]:
    return {
        "encoder": encoder.digest,
        "input": [encoder.intensity, encoder.mean, encoder.std],
        "preparation": PREPARATION,
        "size_px": size_px,
        "set": samples.name,
        "modality": samples.modality,
        "images": _images_digest(samples),
        **({"tiling": asdict(samples.tiling)} if samples.tiling else {}),
    }


def _images_digest(samples: Selection) -> str:
    """SHA-256 of which image each sample is, in order, and of the stamp of its file or folder."""
    stamps = samples.stamps()
    digest = hashlib.sha256()
    for sample in samples.samples:
        digest.update(f"{sample.image}\0{sample.split}\0{sample.index}\0{stamps[sample.image]}\n".encode())
    return digest.hexdigest()


def _report(found: Embeddings, name: str) -> None:
    """Say how many samples are missing, and which.

    Raises:
        InputError: all are.
    """
    if not found.unreadable:
        return
    reasons = list(found.unreadable.values())
    listed = "\n  ".join(reasons[:_NAMED] + [f"and {len(reasons) - _NAMED} more"] * (len(reasons) > _NAMED))
    if len(reasons) == len(found.sample_ids):
        raise InputError(f"{name}: none of {len(reasons)} samples can be read:\n  {listed}")
    logger.warning("%s: %d of %d samples left out:\n  %s", name, len(reasons), len(found.sample_ids), listed)


@ends_on_signal("embeddings on disk are kept; run the same command again to continue")
def embed_image_set(
    image_set: ImageSet,
    encoder: FrozenEncoder,
    *,
    size_px: int,
    cache_dir: str | Path,
    batch_size: int = 32,
    num_workers: int = 0,
    progress: bool = True,
) -> dict[Split, Embeddings]:
    """Embeddings of each split of a set, see `embed`."""
    return {
        split: embed(
            image_set.of(split),
            encoder,
            size_px=size_px,
            cache_dir=cache_dir,
            batch_size=batch_size,
            num_workers=num_workers,
            progress=progress,
        )
        for split in SPLITS
    }
