"""Settings of bundles for tests; plain data, for `benchmarks/gpu_checks.py` where little is installed."""

# so small that a step takes milliseconds; what is tested does not depend on the size
NETWORK = {"backbone": "vit_tiny", "random_start::embed_dim": 64, "random_start::num_heads": 1}
TINY = {
    **NETWORK,
    "weights": "random",
    "roi_size": [64, 64],
    "pixdim": [6.0, 6.0],
    "epochs": 2,
    "iterations_per_epoch": 3,
    "validation_interval": 2,
    "checkpoint_interval": 1,
    "batch_size": 2,
    "num_workers": 0,
    "progress": False,
    "amp": False,
}
# the same for the first stage of pretraining
TINY_PRETRAINING = {
    "backbone": "vit_mini",
    "weights": "random",
    "random_start::embed_dim": 48,
    "random_start::depth": 2,
    "random_start::layerscale_init": 0.1,
    "n_prototypes": 32,
    "head_hidden_dim": 32,
    "head_bottleneck_dim": 16,
    "epochs": 2,
    "iterations_per_epoch": 3,
    "batch_size": 4,
    "learning_rate": 1.0e-3,
    "warmup_iterations": 2,
    "freeze_last_layer_iterations": 1,
    "teacher_temp_warmup": 2,
    "global_crops_size": 64,
    "local_crops_size": 32,
    "n_local_crops": 2,
    "export_interval": 2,
    "monitor_interval": 2,
    "num_workers": 0,
    "progress": False,
    "amp": False,
}
