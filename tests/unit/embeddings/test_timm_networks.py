"""Networks of timm, loaded as its users load them, against timm's own forward pass."""

import pytest
import torch
from foreign_networks import encoded, images, library, with_random_weights
from torch.testing import assert_close

from meddino_components.embeddings import external_encoder
from meddino_components.errors import InputError

timm = library("timm")

TINY = {"embed_dim": 32, "depth": 2, "num_heads": 2}
SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 4)}


def saved(folder, name, **arguments):
    """A model, and the source of the folder that timm writes it to."""
    model = with_random_weights(timm.create_model(name, **arguments))
    timm.models.save_for_hf(model, str(folder), model_args=arguments, safe_serialization=True)
    return model, f"timm:local-dir:{folder}"


def tokens(model, batch, n_prefix):
    with torch.no_grad():
        return model.forward_features(batch)[:, n_prefix:]


def pooled(model, batch):
    """What timm documents as the embedding of an image."""
    model.reset_classifier(0)
    with torch.no_grad():
        return model(batch)


@pytest.mark.parametrize(
    ("name", "arguments", "n_prefix"),
    [("test_vit", {}, 1), ("test_vit2", {}, 1), ("test_vit3", {}, 1), ("test_vit", {"reg_tokens": 4}, 5)],
    ids=["cls", "mean", "attention pooling", "registers"],
)
def test_vision_transformers(tmp_path, name, arguments, n_prefix):
    model, source = saved(tmp_path, name, **arguments)
    encoder = external_encoder(source, device="cpu")
    assert (encoder.patch_size, encoder.fixed_size_px, encoder.intensity) == (16, None, "picture")
    assert (encoder.name, encoder.mean, encoder.std) == (source, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    batch = images(160)
    vector, patches = encoded(encoder, batch)
    assert patches.shape[1] == 100
    assert_close(patches, tokens(model, batch, n_prefix))
    assert_close(vector, pooled(model, batch))


def test_position_embeddings_are_interpolated(tmp_path):
    _, source = saved(tmp_path, "test_vit")
    batch = images(96)
    larger = timm.create_model(source.removeprefix("timm:"), pretrained=True, img_size=96).eval()
    vector, patches = encoded(external_encoder(source, device="cpu"), batch)
    assert_close(patches, tokens(larger, batch, 1))
    assert_close(vector, pooled(larger, batch))


def test_dinov3_gives_its_cls_token(tmp_path):
    """timm's DINOv3 has one, four registers, and averages patches."""
    model, source = saved(tmp_path, "vit_small_patch16_dinov3", **TINY)
    encoder = external_encoder(source, device="cpu")
    assert (encoder.mean, encoder.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    batch = images(64)
    vector, patches = encoded(encoder, batch)
    assert_close(patches, tokens(model, batch, 5))
    assert_close(vector, model.forward_features(batch)[:, 0].detach())


@pytest.mark.parametrize(
    ("name", "arguments", "channels_last"),
    [
        ("test_resnet", {}, False),
        ("test_convnext", {}, False),
        ("swin_tiny_patch4_window7_224", SWIN, True),
    ],
)
def test_cells_of_a_feature_map(tmp_path, name, arguments, channels_last):
    model, source = saved(tmp_path, name, **arguments)
    encoder = external_encoder(source, device="cpu")
    assert (encoder.patch_size, encoder.fixed_size_px) == (32, None)
    batch = images(224)
    vector, patches = encoded(encoder, batch)
    features = tokens(model, batch, 0)
    last = features if channels_last else features.movedim(1, -1)
    assert_close(patches, last.reshape(2, 49, -1))
    assert_close(vector, pooled(model, batch))
    if name == "test_resnet":
        assert_close(vector, patches.mean(1))


def test_a_size_that_is_fixed(tmp_path):
    model, source = saved(tmp_path, "beit_base_patch16_224", **TINY)
    encoder = external_encoder(source, device="cpu")
    assert encoder.fixed_size_px == 224
    batch = images(224, n=1)
    vector, patches = encoded(encoder, batch)
    assert_close(patches, tokens(model, batch, 1))
    assert_close(vector, pooled(model, batch))
    with pytest.raises(InputError, match="images of 224 x 224 alone, and size_px is 256; set it to 224"):
        external_encoder(source, device="cpu", size_px=256)


def test_a_checkpoint_on_disk(tmp_path):
    """With a classifier of its own, which is left out."""
    model = with_random_weights(timm.create_model("test_vit", num_classes=7))
    path = tmp_path / "trained.pth"
    torch.save({"state_dict": model.state_dict()}, path)
    encoder = external_encoder("timm:test_vit", device="cpu", checkpoint=path)
    batch = images(160)
    vector, patches = encoded(encoder, batch)
    assert_close(patches, tokens(model, batch, 1))
    assert_close(vector, pooled(model, batch))


def test_weights_that_do_not_fit(tmp_path):
    state = with_random_weights(timm.create_model("test_vit")).state_dict()
    path = tmp_path / "other.pth"

    def load():
        external_encoder("timm:test_vit", device="cpu", checkpoint=path)

    torch.save({key: value for key, value in state.items() if key != "blocks.0.attn.qkv.weight"}, path)
    with pytest.raises(InputError, match=r"other\.pth does not fit: missing blocks\.0\.attn\.qkv\.weight"):
        load()
    torch.save(state | {"blocks.0.ls1.gamma": torch.ones(64)}, path)
    with pytest.raises(InputError, match=r"unexpected blocks\.0\.ls1\.gamma"):
        load()
    torch.save(state | {"norm.weight": torch.ones(63)}, path)
    with pytest.raises(InputError, match="cannot be loaded"):
        load()


def test_models_that_are_not_to_be_had():
    with pytest.raises(InputError, match="timm:no_such_model: cannot be loaded"):
        external_encoder("timm:no_such_model", device="cpu")
    with pytest.raises(InputError, match="No pretrained weights exist"):
        external_encoder("timm:vit_base_patch16_xp_224", device="cpu")
