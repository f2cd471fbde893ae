"""Merge the hand-written YAML layers of a bundle into the flat JSON that MONAI, MONAI Label and the model zoo read.

``sources/layers.yaml`` of a bundle lists, for each configuration, the layers it is made of: ``complete`` ones run by
themselves, ``overlays`` are given as a second ``--config_file``. Layers under ``_shared/`` serve several bundles; what
one of them sets that a complete configuration has no use for is named under ``unused`` and left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..errors import InputError
from ..files import AtomicFiles, write_text
from .own_files import CHECK_KEY, EXTRA_KEYS_KEY, OVERLAYS_KEY
from .references import keys_read


def build(bundle_dir: str | Path) -> list[Path]:
    """Write ``configs/*.json`` of a bundle from its layers.

    Args:
        bundle_dir: a folder with ``sources/layers.yaml``.

    Returns:
        The files, each replaced in one step.

    Raises:
        InputError: a layer is missing; a complete configuration has a key that it does not read, or an overlay sets one
            that no complete configuration has.
    """
    root = Path(bundle_dir)
    written = []
    for name, config in merge_layers(root).items():
        path = root / "configs" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        with AtomicFiles() as files:
            text = json.dumps(config, indent=4, ensure_ascii=False) + "\n"
            write_text(files.path(path), text)
        written.append(path)
    return written


def merge_layers(bundle_dir: Path) -> dict[str, dict[str, Any]]:
    """The configurations of a bundle by name; complete ones check themselves, overlays say that they were given."""
    sources = bundle_dir / "sources"
    manifest = _read(sources / "layers.yaml")
    complete = {name: _merge(sources, layers) for name, layers in manifest["complete"].items()}
    # not merged by MONAI, which would look for the parents of keys such as ``validate::dataloader::sampler``
    overlays = {
        name: {key: value for path in _paths(sources, layers) for key, value in _read(path).items()}
        for name, layers in manifest["overlays"].items()
    }
    for name, config in complete.items():
        for key in manifest.get("unused", {}).get(name, []):
            del config[key]
        _from_weights(config)
        config[CHECK_KEY] = {
            "_target_": "meddino_components.bundle.check_overrides",
            "configuration": name,
            "overlays": {},
        }
        if unread := sorted(set(config) - keys_read(config) - {EXTRA_KEYS_KEY}):
            raise InputError(
                f"{sources / name}: has {', '.join(unread)}, which nothing in it reads; correct the name or list it "
                f"under unused in {sources / 'layers.yaml'}"
            )
    for name, overlay in overlays.items():
        own_keys = {key.split("::")[0] for key in overlay} - set().union(*complete.values())
        if unknown := own_keys - set(manifest.get("overlay_keys", [])):
            raise InputError(
                f"{sources / name}: sets {', '.join(sorted(unknown))}, which no complete configuration has; correct "
                f"the name or list it under overlay_keys in {sources / 'layers.yaml'}"
            )
        overlay[f"{OVERLAYS_KEY}::{name}"] = True
    return {**complete, **overlays}


def _from_weights(config: dict[str, Any]) -> None:
    """Move the values of the keys listed under ``from_weights`` to ``published``, and hand those typed to ``model``."""
    keys = [key for key in config.pop("from_weights", []) if key in config]
    if keys:
        config["published"] = {key: config[key] for key in keys}
        config["model"] |= {"typed": {key: f"@{key}" for key in keys}, "published": "@published"}
        config |= dict.fromkeys(keys)


def _merge(sources: Path, layers: list[str]) -> dict[str, Any]:
    return dict(ConfigParser.load_config_files([str(path) for path in _paths(sources, layers)]))


def _paths(sources: Path, layers: list[str]) -> list[Path]:
    shared = sources.parent.parent
    paths = [shared / layer if layer.startswith("_shared/") else sources / layer for layer in layers]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise InputError(f"{sources / 'layers.yaml'} names layers that are not there: {', '.join(missing)}")
    return paths


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} not found: give the folder of a bundle, such as bundles/meddinov3_seg_amos")
    return dict(ConfigParser.load_config_file(str(path)))
