"""The page of settings."""

import pytest
from bundle_configs import BUNDLES
from command_lines import REPOSITORY

from meddino_components.bundle.settings_page import settings_page, write_settings_page


def small_bundle(root, text):
    (root / "sources").mkdir(parents=True)
    (root / "sources" / "main.yaml").write_text(f'{text}\nrun: ["@epochs", "@fold", "@split", "@check"]\n')
    (root / "sources" / "layers.yaml").write_text("complete: {train: [main.yaml]}\noverlays: {}\n")
    return root


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("epochs", "| `epochs` | a whole number of at least 1 | `3`; computed |"),
        ("fold", "| `fold` | a whole number of at least 0 | as `epochs`; `1` |"),
        ("split", "| `split` | patients, joined, official, nnunet, list or a path, or None | None; `'list'` |"),
    ],
)
def test_each_default_is_named_once(tmp_path, key, row):
    first = small_bundle(tmp_path / "a", 'epochs: 3\nfold: "@epochs"\nsplit: null')
    second = small_bundle(tmp_path / "b", 'epochs: "$1 + 1"\nfold: 1\nsplit: list')
    again = small_bundle(tmp_path / "c", "epochs: 3\nfold: 1\nsplit: list")
    path = write_settings_page(tmp_path, [first, second, again])
    assert row in path.read_text(encoding="utf-8").splitlines(), key


def test_the_page_is_as_generated():
    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(BUNDLES), "run python -m meddino_components build"
