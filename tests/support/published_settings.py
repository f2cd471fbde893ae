"""Settings that a bundle was published with, and what a run makes of them."""

from meddino_components.inference import model_settings

FINGERPRINT = {"percentile_00_5": -300.0, "percentile_99_5": 300.0, "mean": 60.0, "std": 70.0}


PUBLISHED = {
    "backbone": "vit_tiny",
    "random_start": {"qkv_bias": False, "norm_layer": "layernorm"},
    "interaction_indices": [2, 5, 8, 11],
    "context_slices": 1,
    "roi_size": [896, 896],
    "pixdim": [0.5, 0.5],
    "fingerprint": None,
    "background": None,
    "label_names": ["background", "spleen", "liver"],
    "channel_names": ["image"],
    "segment_codes": None,
    "dataset_layout": "amos",
    "fold": 0,
    "n_folds": 5,
}


NOTHING = dict.fromkeys(PUBLISHED)


def settings(path, published=PUBLISHED, modality=None, root=".", postprocess=None, **typed):
    return model_settings(
        model_path=path,
        typed={**NOTHING, **typed},
        published=published,
        modality=modality,
        postprocess=postprocess,
        bundle_root=root,
    )
