"""Puts the bundles into the wheel, below the components; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# as in meddino_components/bundle/shipped.py
TARGET = Path("meddino_components") / "shipped_bundles"
PARTS = ("configs", "docs", "LICENSE")


class BuildWithBundles(build_py):
    """Copy what a user's copy of a bundle needs; an editable installation reads the checkout's own."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        bundles = sorted(Path("bundles").glob("*/configs/metadata.json"))
        if not bundles:
            raise SystemExit("no bundles/*/configs: build from a checkout or from its sdist")
        for metadata in bundles:
            bundle = metadata.parents[1]
            target = Path(self.build_lib) / TARGET / bundle.name
            for part in PARTS:
                if (bundle / part).is_dir():
                    shutil.copytree(bundle / part, target / part, dirs_exist_ok=True)
                else:
                    shutil.copyfile(bundle / part, target / part)


setup(cmdclass={"build_py": BuildWithBundles})
