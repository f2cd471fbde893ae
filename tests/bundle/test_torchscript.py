"""MONAI's own export to TorchScript, on the bundles' configurations."""

import json

import pytest
import torch
from bundle_configs import SEGMENTATION
from monai.bundle import ConfigParser, ckpt_export
from random_models import write_random_model


@pytest.mark.slow
@pytest.mark.parametrize("bundle", SEGMENTATION, ids=lambda bundle: bundle.name)
def test_ckpt_export_by_tracing_serves_any_size(bundle, tmp_path):
    config = bundle / "configs" / "inference.json"
    model = tmp_path / "model.pt"
    write_random_model(model, bundle=bundle, **{"backbone": "vit_tiny", "random_start::layerscale_init": 1.0})
    settings = {"model_path": str(model)}
    parser = ConfigParser()
    parser.read_config(str(config))
    parser.update(settings)
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(model, weights_only=True))
    channels = network.stem.in_channels
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(model),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(config),
        use_trace=True,
        input_shape=[2, channels, 64, 96],
        **settings,
    )
    extra = {"metadata.json": "", "inference.json": ""}
    traced = torch.jit.load(tmp_path / "model.ts", _extra_files=extra)
    assert json.loads(extra["metadata.json"])["name"] == bundle.name
    with torch.no_grad():
        for shape in [(2, channels, 64, 96), (1, channels, 32, 48), (3, channels, 112, 80)]:
            slices = torch.randn(shape)
            assert torch.equal(traced(slices), network(slices))
