"""Networks of transformers, saved and loaded by it, against its own forward pass."""

import json

import pytest
import torch
from foreign_networks import encoded, images, library, with_random_weights
from torch.testing import assert_close

from meddino_components.embeddings import external_encoder
from meddino_components.errors import InputError

transformers = library("transformers")

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
# class, settings, prefix tokens
PLAIN = {
    "vit": ("ViT", {}, 1),
    "deit": ("DeiT", {}, 2),
    "dinov2": ("Dinov2", {}, 1),
    "dinov2 with registers": ("Dinov2WithRegisters", {"num_register_tokens": 4}, 5),
    "dinov3": ("DINOv3ViT", {"num_register_tokens": 4}, 5),
}
TOWERS = {"clip": ("CLIP", 1), "siglip": ("Siglip", 0)}


def made(name, **settings):
    config = getattr(transformers, f"{name}Config")(**{**TINY, **settings})
    return with_random_weights(getattr(transformers, f"{name}Model")(config))


def saved(folder, model, **processor):
    """The source of a folder with model and image processor."""
    model.save_pretrained(folder)
    settings = {
        "do_normalize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "image_mean": MEAN,
        "image_std": STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | processor))
    return f"transformers:{folder}"


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("side", [32, 48])
@torch.no_grad()
def test_vision_transformers(tmp_path, kind, side):
    name, settings, n_prefix = PLAIN[kind]
    model = made(name, **settings)
    encoder = external_encoder(saved(tmp_path, model), device="cpu")
    assert (encoder.patch_size, encoder.fixed_size_px, encoder.intensity) == (8, None, "picture")
    assert (encoder.mean, encoder.std) == (tuple(MEAN), tuple(STD))
    batch = images(side)
    interpolated = {} if name.startswith(("Dinov2", "DINOv3")) else {"interpolate_pos_encoding": True}
    expected = model(batch, **interpolated).last_hidden_state
    vector, patches = encoded(encoder, batch)
    assert patches.shape == (2, (side // 8) ** 2, 32)
    assert_close(vector, expected[:, 0])
    assert_close(patches, expected[:, n_prefix:])


@pytest.mark.parametrize("alone", [False, True], ids=["with its text tower", "alone"])
@pytest.mark.parametrize("kind", TOWERS)
@torch.no_grad()
def test_towers_of_image_text_models(tmp_path, kind, alone):
    """The vector before the projection to the space shared with text."""
    name, n_prefix = TOWERS[kind]
    vision = getattr(transformers, f"{name}VisionConfig")(**TINY)
    if alone:
        tower = model = with_random_weights(getattr(transformers, f"{name}VisionModel")(vision))
    else:
        text = getattr(transformers, f"{name}TextConfig")(**TINY, vocab_size=50, max_position_embeddings=8)
        config = getattr(transformers, f"{name}Config")(
            text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=24
        )
        model = with_random_weights(getattr(transformers, f"{name}Model")(config))
        tower = model.vision_model
    encoder = external_encoder(saved(tmp_path, model), device="cpu")
    assert (encoder.patch_size, encoder.fixed_size_px) == (8, None)
    batch = images(40)
    expected = tower(batch, interpolate_pos_encoding=True)
    vector, patches = encoded(encoder, batch)
    assert_close(vector, expected.pooler_output)
    assert_close(patches, expected.last_hidden_state[:, n_prefix:])
    if kind == "clip" and not alone:
        assert_close(
            model.visual_projection(vector), _features(model.get_image_features(batch, interpolate_pos_encoding=True))
        )


def _features(output):
    """Versions of transformers give a tensor or hide it in an output."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def test_a_pooler_that_nobody_trained_is_not_asked(tmp_path):
    """Such as in checkpoints of classifiers, which transformers fills up with random numbers."""
    config = transformers.ViTConfig(**TINY)
    model = with_random_weights(transformers.ViTModel(config, add_pooling_layer=False))
    source = saved(tmp_path, model)
    batch = images(32)
    vector, _ = encoded(external_encoder(source, device="cpu"), batch)
    assert_close(vector, model(batch).last_hidden_state[:, 0].detach())


def test_files_in_16_bits_run_in_fp32(tmp_path):
    model = made("Dinov2").to(torch.bfloat16)
    vector, _ = encoded(external_encoder(saved(tmp_path, model), device="cpu"), images(32))
    assert vector.dtype == torch.float32
    assert_close(vector, model.float()(images(32)).last_hidden_state[:, 0].detach())


def test_missing_weights_are_refused(tmp_path):
    model = made("Dinov2")
    source = saved(tmp_path, model)
    state = {k: v for k, v in model.state_dict().items() if k != "layernorm.weight"}
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(InputError, match=r"lacks weights of its model .*: layernorm\.weight"):
        external_encoder(source, device="cpu")


def test_mean_and_deviation_of_other_ranges(tmp_path):
    """A processor that maps bytes to -1..1 before it subtracts the mean, and one that subtracts nothing."""
    model = made("Dinov2")
    encoder = external_encoder(saved(tmp_path, model, rescale_factor=1 / 127.5), device="cpu")
    assert encoder.mean == pytest.approx([0.05, 0.1, 0.15])
    assert encoder.std == pytest.approx([0.2, 0.25, 0.3])
    encoder = external_encoder(saved(tmp_path, model, do_normalize=False), device="cpu")
    assert (encoder.mean, encoder.std) == ((0, 0, 0), (1, 1, 1))
    source = saved(tmp_path, model, image_mean=None)
    with pytest.raises(InputError, match=r"image_mean None and image_std .*preprocessor_config\.json"):
        external_encoder(source, device="cpu")
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        external_encoder(source, device="cpu")


def test_networks_without_patch_tokens(tmp_path):
    convolutional = transformers.ResNetConfig(hidden_sizes=[8, 8], depths=[1, 1], embedding_size=8)
    text = transformers.BertConfig(vocab_size=9, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    for model in (transformers.ResNetModel(convolutional), transformers.BertModel(text)):
        source = saved(tmp_path / model.config.model_type, model)
        with pytest.raises(InputError, match=f"a {model.config.model_type} has no patch tokens"):
            external_encoder(source, device="cpu")
    hybrid = transformers.ConvNextModel(transformers.ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4))
    with pytest.raises(InputError, match=r"expected \[1, D\] and \[1, 3136, D\]"):
        external_encoder(saved(tmp_path / "hybrid", hybrid), device="cpu")


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be loaded"):
        external_encoder(f"transformers:{tmp_path / 'nowhere'}", device="cpu")
