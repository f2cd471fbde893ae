"""Samples of a fine-tuning data set, and what tells two of them apart."""

import hashlib
import json

import numpy as np
from array_cases import Identity, preprocessing, write_case
from command_lines import AMOS
from monai.bundle import ConfigParser
from monai.transforms import Compose

from meddino_components.data import SliceDataset, VolumeCache

CONFIGS = AMOS / "configs"


def augmentation(roi_size):
    """The bundle's own random transforms."""
    parser = ConfigParser(ConfigParser.load_config_file(str(CONFIGS / "train.json")))
    parser["roi_size"] = list(roi_size)
    return parser.get_parsed_content("train::transform")


def dataset(folder, cases, *, transform=None, roi_size=(16, 16), **kwargs):
    made = {"margin": 1.0, "foreground_fraction": 0.0, **kwargs}
    transform = transform or Compose([Identity()])
    return SliceDataset(
        data=cases,
        preprocessing=preprocessing(),
        transform=transform,
        roi_size=roi_size,
        cache_dir=folder / "cache",
        **made,
    )


def random_cases(folder, n=3):
    """Written once a folder, so that their cache serves again."""
    rng = np.random.default_rng(1)
    shape = (40, 36, 6)
    made = folder / "cases.json"
    if not made.exists():
        cases = [write_case(folder, f"c{i}", rng.normal(size=shape), rng.integers(0, 4, shape)) for i in range(n)]
        made.write_text(json.dumps(cases))
    return json.loads(made.read_text(encoding="utf-8"))


def augmented(folder, seed=0):
    settings = {"margin": 1.2, "foreground_fraction": 0.5, "seed": seed}
    return dataset(folder, random_cases(folder), transform=augmentation((16, 16)), **settings)


def digest(sample):
    return hashlib.sha256(b"".join(sample[key].numpy().tobytes() for key in ("image", "label"))).hexdigest()


def bundle_keys(cases, monkeypatch):
    """Names of the cache folders under the bundle's own preprocessing, which cannot read arrays: no entry is made."""
    monkeypatch.setattr(VolumeCache, "_fill", lambda self, num_workers: None)
    monkeypatch.setattr(VolumeCache, "_checked_labels", lambda self: set())
    parser = ConfigParser(ConfigParser.load_config_file(str(CONFIGS / "train.json")))
    cache = VolumeCache(data=cases, preprocessing=parser.get_parsed_content("train::preprocessing"), cache_dir=".")
    return [cache._key(case) for case in cases]
