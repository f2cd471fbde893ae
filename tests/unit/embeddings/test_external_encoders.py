"""Names of encoders, and what is common to all libraries."""

import importlib
import os
import pickle

import pytest
import torch
from foreign_networks import encoded, images, library, with_random_weights
from torch.testing import assert_close

from meddino_components.embeddings import external_encoder
from meddino_components.errors import InputError


class Harmful:
    def __reduce__(self):
        return open, ("ran", "w")


def test_a_library_cannot_read_pickles_that_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(Harmful(), "weights.pth")

    def load(name, *, source, checkpoint):
        return torch.load(checkpoint, weights_only=False)

    monkeypatch.setattr("meddino_components.embeddings.external_encoders.load_timm", load)
    with pytest.raises(pickle.UnpicklingError):
        external_encoder("timm:any", device="cpu", checkpoint="weights.pth")
    assert not (tmp_path / "ran").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize("source", ["vit_base", "keras:vit", "timm:", "", "open_clip"])
def test_unknown_sources(source):
    with pytest.raises(InputError, match=r"expected timm:<name>, transformers:"):
        external_encoder(source, device="cpu")


@pytest.mark.parametrize(
    ("source", "module"),
    [("timm:test_vit", "timm"), ("transformers:a/b", "transformers"), ("open_clip:a/b", "open_clip")],
)
def test_a_library_that_is_not_installed(monkeypatch, source, module):
    real = importlib.import_module

    def without(name):
        if name in (module, "torchvision"):
            raise ModuleNotFoundError(f"No module named '{name}'")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError, match=r"install the extra 'encoders'"):
        external_encoder(source, device="cpu")


def test_checkpoints_that_do_not_go_with_the_source(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        external_encoder("timm:test_vit", device="cpu", checkpoint=tmp_path / "none.pth")
    (tmp_path / "there.pth").touch()
    with pytest.raises(InputError, match="give the folder"):
        external_encoder("transformers:a/b", device="cpu", checkpoint=tmp_path / "there.pth")


def test_digest_precision_and_grey_images(tmp_path):
    timm = library("timm")
    model = with_random_weights(timm.create_model("test_vit"))
    torch.save(model.state_dict(), tmp_path / "a.pth")
    with torch.no_grad():
        model.norm.bias[0] += 1
    torch.save(model.state_dict(), tmp_path / "b.pth")

    def load(name, **options):
        return external_encoder("timm:test_vit", device="cpu", checkpoint=tmp_path / name, **options)

    encoder, again, other, rough = load("a.pth"), load("a.pth"), load("b.pth"), load("a.pth", amp=True)
    assert encoder.digest == again.digest
    assert len({encoder.digest, other.digest, rough.digest}) == 3
    grey = images(32)[:, :1]
    vector, patches = encoded(encoder, grey)
    same_vector, same_patches = encoded(encoder, grey.repeat(1, 3, 1, 1))
    assert_close(vector, same_vector)
    assert_close(patches, same_patches)
    rough_vector, _ = encoded(rough, grey)
    assert float((rough_vector - vector).abs().max()) > 1e-4
    assert_close(rough_vector.float(), vector, rtol=0.1, atol=0.2)
