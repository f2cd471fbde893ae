import sys
from importlib.util import find_spec

import pytest

from meddino_components.embeddings import torchvision_pairing


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision comes with timm, in the extra 'benchmark'")
def test_torchvision_can_be_imported_twice():
    torchvision_pairing.import_torchvision()
    torchvision_pairing.import_torchvision()
    assert "torchvision.ops" in sys.modules


def test_without_torchvision(monkeypatch):
    """Nothing is wrong: only two of the libraries need it, and say so."""
    monkeypatch.setattr(torchvision_pairing, "find_spec", lambda name: None)
    torchvision_pairing.import_torchvision()


def test_other_failures_are_not_hidden(monkeypatch):
    def fails(name):
        raise RuntimeError("something else")

    monkeypatch.setattr(torchvision_pairing, "find_spec", lambda name: object())
    monkeypatch.setattr(torchvision_pairing.importlib, "import_module", fails)
    with pytest.raises(RuntimeError, match="something else"):
        torchvision_pairing.import_torchvision()
