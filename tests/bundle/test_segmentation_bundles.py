"""What the segmentation bundles have in common, and the one's network of four channels."""

import pytest
import torch
from bundle_configs import LAYERS, SEGMENTATION, read_json
from command_lines import BRATS
from monai.bundle import ConfigParser

from meddino_components.checkpoints import load_backbone_weights, write_weights
from meddino_components.networks import vit_backbone

KNOBS = ("dataset_dir", "epochs", "learning_rate", "roi_size", "pixdim", "amp", "weights", "output_dir")
of_segmentation = pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)


@of_segmentation
def test_the_knobs_stand_at_the_top_with_plain_values_or_one_reference(bundle):
    config = read_json(bundle, "train")
    assert set(KNOBS) <= set(config)
    assert config["run"] == "@training"
    assert config["training"] == {
        "_target_": "meddino_components.training.run_training",
        "trainer": "@train::trainer",
        "evaluator": "@validate::evaluator",
    }


@of_segmentation
def test_a_bundle_holds_little_of_its_own(bundle):
    """Beside its data set and the list of layers, a few settings; what two bundles need lies in _shared."""
    own = [path for path in (bundle / "sources").glob("*.yaml") if path.stem not in ("layers", "dataset")]
    lines = [
        line
        for path in own
        for line in path.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert len(lines) < 40
    shared = {layer for layers in LAYERS[bundle]["complete"].values() for layer in layers if layer.startswith("_")}
    assert {"_shared/segmenter.yaml", "_shared/volumes.yaml", "_shared/training.yaml"} < shared


def test_settings_of_the_optimiser_are_those_published():
    """As for AMOS22; the published recipe has no numbers of its own for BraTS."""
    ours, amos = (read_json(bundle, "train") for bundle in (BRATS, BRATS.with_name("meddinov3_seg_amos")))
    for key in ("weights", "epochs", "iterations_per_epoch", "learning_rate", "encoder_learning_rate", "betas"):
        assert ours[key] == amos[key], key


def brats_network():
    parser = ConfigParser(read_json(BRATS, "train"))
    parser.update({"backbone": "vit_tiny", "weights": "random", "random_start::layerscale_init": 1.0})
    del parser.get()["network_def"]["_requires_"]
    torch.manual_seed(0)
    return parser.get_parsed_content("network_def")


def test_weights_of_three_channels_serve_four(tmp_path):
    """Four equal sequences give the tokens that three equal channels gave."""
    torch.manual_seed(1)
    grey = vit_backbone("vit_tiny", qkv_bias=False, layerscale_init=1.0, norm_layer="layernorm")
    write_weights(grey.state_dict(), tmp_path / "grey.safetensors")
    network = brats_network()
    assert network.backbone.in_chans == 4
    assert network.decoder.head.weight.shape[0] == 3
    report = load_backbone_weights(network.backbone, tmp_path / "grey.safetensors")
    assert "patch embedding adapted from 3 to 4 input channels, exact for equal channels" in str(report)
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        expected = grey.patch_embed(image.expand(-1, 3, -1, -1))
        found = network.backbone.patch_embed(image.expand(-1, 4, -1, -1))
        apart = network.backbone.patch_embed(torch.cat([image, -image, image, image], dim=1))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (apart - expected).abs().max() > 0.01


def test_three_slices_of_four_sequences_are_twelve_channels():
    parser = ConfigParser(read_json(BRATS, "train"))
    parser.update({"backbone": "vit_tiny", "weights": "random", "context_slices": 3})
    del parser.get()["network_def"]["_requires_"]
    assert parser.get_parsed_content("network_def").backbone.in_chans == 12
