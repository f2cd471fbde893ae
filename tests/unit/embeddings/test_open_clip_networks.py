"""Image towers of open_clip, saved and loaded by it, against its own forward pass."""

import json

import pytest
import torch
from foreign_networks import encoded, images, library, with_random_weights
from torch.testing import assert_close

from meddino_components.embeddings import external_encoder
from meddino_components.errors import InputError

open_clip = library("open_clip")

TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 128, "head_width": 64}
# as in BiomedCLIP: a vision transformer of timm, its CLS token, a linear projection
TIMM = {"timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear"}
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


def registered(folder, name="tiny", **vision):
    """A model of open_clip's list, with random weights."""
    folder.mkdir(exist_ok=True)
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": TEXT}
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    return with_random_weights(open_clip.create_model(name)), config


def saved(folder, **vision):
    """The model, and the source of a folder as its hub holds it."""
    model, config = registered(folder / "configs", **vision)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    stated = {"model_cfg": config, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    return model, f"open_clip:local-dir:{folder}"


@torch.no_grad()
def test_a_vision_transformer(tmp_path):
    model, source = saved(tmp_path, **VIT)
    encoder = external_encoder(source, device="cpu")
    assert (encoder.patch_size, encoder.fixed_size_px, encoder.intensity) == (8, 32, "picture")
    assert (encoder.mean, encoder.std) == (tuple(MEAN), tuple(STD))
    batch = images(32)
    vector, patches = encoded(encoder, batch)
    assert vector.shape == (2, 128)
    assert_close(vector @ model.visual.proj, model.encode_image(batch))
    expected = model.visual.forward_intermediates(
        batch, indices=1, normalize_intermediates=True, output_fmt="NLC", intermediates_only=True
    )
    assert_close(patches, expected["image_intermediates"][0])


@torch.no_grad()
def test_a_tower_of_timm(tmp_path):
    model, source = saved(tmp_path, image_size=160, **TIMM)
    encoder = external_encoder(source, device="cpu")
    assert (encoder.patch_size, encoder.mean) == (16, tuple(MEAN))
    batch = images(160)
    vector, patches = encoded(encoder, batch)
    assert_close(model.visual.head(vector), model.encode_image(batch))
    assert_close(vector, model.visual.trunk(batch))
    assert_close(patches, model.visual.trunk.forward_features(batch)[:, 1:])


@torch.no_grad()
@pytest.mark.parametrize(
    "vision", [VIT, {"image_size": 224, **TIMM, "timm_model_name": "test_vit3"}], ids=["own", "timm"]
)
def test_built_for_another_size(tmp_path, vision):
    """open_clip interpolates when it loads."""
    _, source = saved(tmp_path, **vision)
    side = 48 if vision is VIT else 96
    encoder = external_encoder(source, device="cpu", size_px=side)
    assert encoder.fixed_size_px in (side, None)
    model = open_clip.create_model(source.removeprefix("open_clip:"), force_image_size=side).eval()
    batch = images(side)
    vector, patches = encoded(encoder, batch)
    projected = vector @ model.visual.proj if vision is VIT else model.visual.head(vector)
    assert_close(projected, model.encode_image(batch))
    assert patches.shape[1] == 36


@torch.no_grad()
def test_a_checkpoint_of_a_listed_model(tmp_path):
    model, _ = registered(tmp_path, "tiny_listed", **VIT)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    encoder = external_encoder("open_clip:tiny_listed", device="cpu", checkpoint=tmp_path / "weights.pt")
    vector, _ = encoded(encoder, images(32))
    assert_close(vector @ model.visual.proj, model.encode_image(images(32)))
    assert encoder.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)


def test_a_text_tower_of_transformers(tmp_path):
    """As in BiomedCLIP: its configuration alone is read, its weights lie in open_clip's file."""
    transformers = library("transformers")
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertConfig(vocab_size=50, **tiny).save_pretrained(tmp_path / "text")
    text = {
        "hf_model_name": str(tmp_path / "text"),
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
    }
    config = {"embed_dim": 24, "vision_cfg": {"image_size": 160, **TIMM}, "text_cfg": text, "custom_text": True}
    (tmp_path / "biomed.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "biomed.json")
    model = with_random_weights(open_clip.create_model("biomed", pretrained_text=False))
    torch.save(model.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": MEAN, "std": STD}})
    )
    vector, _ = encoded(external_encoder(f"open_clip:local-dir:{tmp_path}", device="cpu"), images(160))
    assert_close(vector, model.visual.trunk(images(160)).detach())


def test_what_cannot_be_loaded(tmp_path):
    _, source = saved(tmp_path, **VIT)
    with pytest.raises(InputError, match="give no checkpoint"):
        external_encoder(source, device="cpu", checkpoint=tmp_path / "open_clip_pytorch_model.bin")
    (tmp_path / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="Required pretrained weights"):
        external_encoder(source, device="cpu")
    with pytest.raises(InputError, match="names no weights"):
        external_encoder("open_clip:ViT-B-32", device="cpu")
    with pytest.raises(InputError, match="not a known tag"):
        external_encoder("open_clip:ViT-B-32/no_such_tag", device="cpu")


def test_towers_without_patch_tokens(tmp_path):
    residual = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8, "patch_size": None}
    _, source = saved(tmp_path, **residual)
    with pytest.raises(InputError, match="ModifiedResNet gives no patch tokens"):
        external_encoder(source, device="cpu")
