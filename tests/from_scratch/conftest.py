"""A checkout as a stranger has it."""

import shutil

import pytest
from command_lines import REPOSITORY


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout in which nothing is trained yet."""
    ignore = shutil.ignore_patterns("models", "output", "eval", "__pycache__", "golden", "parity", "images")
    root = tmp_path / "checkout"
    for folder in ("bundles", "docs", "meddino_components", "tests"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=ignore)
    for file in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(REPOSITORY / file, root)
    return root
