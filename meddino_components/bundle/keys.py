"""The values that each top-level key of the shipped configurations accepts; no other file lists them.

`settings` reads it before anything is made, and ``docs/settings.md`` is generated from it.
"""

from __future__ import annotations

from ..data.cases.layouts import LAYOUTS
from ..data.volumes.ct_or_mr import MODALITIES
from ..slice_planes import PLANES_IN_WORDS, SLICE_PLANES
from .kinds import (
    Kind,
    among,
    choice,
    device,
    either,
    mapping,
    names,
    number,
    off,
    optional,
    ordered_pair,
    several,
    text,
    truth,
    whole,
)

_COUNT, _POSITIVE, _RATE = whole(0), whole(1), number(above=0)
_SHARE = number(0, 1)
_WEIGHT = number(0)
_PATH = text("a path")
_SIZES = either(_POSITIVE, several(_POSITIVE, "a list of such numbers, in pixels", at_least=1))
_CASES = several(mapping(), "a list of cases, {'image': path, ...}")
_SCALE = ordered_pair(number(above=0, high=1), "two numbers above 0, at most 1, the smaller first")
_BETAS = several(number(0, 0.999999), "two numbers from 0 to below 1", length=2)
_FLAG = truth()

GROUPS: dict[str, dict[str, Kind]] = {
    "Where": {
        "dataset_dir": either(_PATH, several(_PATH, "a list of paths")),
        "output_dir": _PATH,
        "cache_dir": _PATH,
        "model_path": either(_PATH, several(_PATH, "a list of paths", at_least=1)),
        "released_model_path": _PATH,
        "teacher_path": _PATH,
        "previous_checkpoint": _PATH,
        "gram_weights": optional(_PATH),
        "store": _PATH,
        "run_dir": _PATH,
        "own_models": several(_PATH, "a list of paths"),
        "bundle_root": _PATH,
        "bundle_name": text("a name"),
        "overwrite": _FLAG,
        "skip_existing": _FLAG,
    },
    "Data": {
        "dataset_layout": optional(choice(*LAYOUTS, "picture_masks")),
        "modality": optional(
            either(choice(*MODALITIES, "DICOM tag"), mapping("a mapping, {'CT': 'ct', 'PET': 'pet'}"))
        ),
        "section": choice("training", "validation", "all_labelled", "official_validation", "test"),
        "fold": whole(0),
        "n_folds": whole(1),
        "folds": optional(several(whole(0), "a list of whole numbers of at least 0")),
        "split": optional(text("patients, joined, official, nnunet, list or a path")),
        "allow_same_patient": _FLAG,
        "allow_training_cases": _FLAG,
        "label_names": optional(names()),
        "spacing_mm": optional(several(number(above=0), "three numbers in mm", length=3)),
        "drawn_names": mapping("a mapping, {'name in the file': 'label'}"),
        "label_convention": text("the name of a convention, or data_set"),
        "channel_names": several(text(), "a list of names", at_least=1),
        "series_uid": optional(either(text("a SeriesInstanceUID"), several(text(), "a list of UIDs"))),
        "gantry_tilt": choice("refuse", "resample"),
        "uneven_slices": choice("refuse", "even"),
        "train_data": _CASES,
        "test_data": _CASES,
        "reference_data": _CASES,
        "layout_options": mapping(),
        "image_sets": mapping(),
        "segmentation_sets": mapping(),
        "set_name": text("a name"),
        "licences": several(text(), "a list of texts"),
        "segment_codes": optional(mapping("a mapping, {'organ': codes}")),
    },
    "Images": {
        "axcodes": choice(*SLICE_PLANES, expected=PLANES_IN_WORDS),
        "roi_size": several(_POSITIVE, "rows and columns in pixels, whole numbers of at least 1", length=2),
        "resampling": optional(choice("bilinear", "cubic")),
        "label_resampling": choice("nearest", "per_label"),
        "pixdim": optional(several(_RATE, "rows and columns in mm, numbers above 0", length=2)),
        "fingerprint": optional(mapping("a mapping of numbers, as `plan` writes it", number())),
        "check_modality": _FLAG,
        "background": optional(number()),
        "context_slices": among(1, 3),
        "size_px": _POSITIVE,
        "sizes_px": several(_POSITIVE, "a list of sizes in pixels, whole numbers of at least 1", at_least=1),
        "intensity": optional(choice("scan", "picture")),
        "crop_to_body": _FLAG,
        "slab_roles": several(choice("train", "test"), "a list of train and test", at_least=1),
        "slab_gap": _COUNT,
        "every": _POSITIVE,
        "unit_slices": optional(_POSITIVE),
        "reference_px": _POSITIVE,
        "reference_every": _POSITIVE,
        "reference_unit_slices": optional(_POSITIVE),
    },
    "Network": {
        "weights": optional(text("a known encoder, a path, hf://owner/name or random")),
        "weights_sha256": optional(text("a SHA-256")),
        "backbone": optional(text("a preset or a known encoder")),
        "random_start": optional(mapping()),
        "interaction_indices": several(whole(0), "a list of block numbers, counted from 0", at_least=1),
        "drop_path_rate": number(0, 0.999999),
        "activation_checkpointing": _FLAG,
        "in_channels": _POSITIVE,
        "num_labels": _POSITIVE,
        "num_outputs": _POSITIVE,
        "model_sha256": optional(text("a SHA-256")),
        "encoder_name": text("a name"),
        "other_encoders": several(either(text(), mapping()), "a list of encoders, such as timm:vit_small_patch16_224"),
        "models": several(mapping(), "a list of mappings, {'weights': ...}"),
        "n_prototypes": _POSITIVE,
        "head_hidden_dim": _POSITIVE,
        "head_bottleneck_dim": _POSITIVE,
        "prototype_std": _RATE,
    },
    "Training": {
        "epochs": _POSITIVE,
        "iterations_per_epoch": _POSITIVE,
        "iterations": _POSITIVE,
        "batch_size": _POSITIVE,
        "accumulation_steps": _POSITIVE,
        "slices_per_batch": _POSITIVE,
        "depth": _POSITIVE,
        "learning_rate": _RATE,
        "encoder_learning_rate": _RATE,
        "learning_rate_factor": _RATE,
        "minimum_learning_rate": _WEIGHT,
        "warmup_iterations": _COUNT,
        "freeze_last_layer_iterations": _COUNT,
        "weight_decay": _WEIGHT,
        "betas": _BETAS,
        "clip_norm": _RATE,
        "class_balance": _WEIGHT,
        "foreground_fraction": _SHARE,
        "flip_rows_probability": _SHARE,
        "flip_columns_probability": _SHARE,
        "horizontal_flip": _SHARE,
        "rotation": _WEIGHT,
        "layerwise_decay": number(above=0, high=1),
        "patch_embed_lr_mult": _WEIGHT,
        "validation_interval": _POSITIVE,
        "keep_best_model": _FLAG,
        "early_stopping_patience": optional(_POSITIVE),
        "checkpoint_interval": _POSITIVE,
        "checkpoints_kept": _POSITIVE,
        "checkpoint_kept_every": optional(_POSITIVE),
        "resume": either(truth(), text("the path of a checkpoint")),
        "changed_on_resume": several(text(), "a list of keys"),
        "seed": whole(0, 2**32 - 1),
    },
    "Pretraining": {
        "stage": whole(1, 3),
        "global_crops_size": _SIZES,
        "local_crops_size": _SIZES,
        "gram_teacher_crops_size": _SIZES,
        "n_local_crops": _COUNT,
        "global_crops_scale": _SCALE,
        "local_crops_scale": _SCALE,
        "size_ratios": optional(several(_SHARE, "a list of numbers from 0 to 1")),
        "mask_probability": _SHARE,
        "mask_ratio": ordered_pair(_SHARE, "two numbers from 0 to 1, the smaller first"),
        "masks_per_process": _FLAG,
        "render_on_device": _FLAG,
        "ema_momentum": _SHARE,
        "teacher_temp": _RATE,
        "teacher_temp_start": _RATE,
        "teacher_temp_warmup": _COUNT,
        "dino_weight": _WEIGHT,
        "koleo_weight": _WEIGHT,
        "ibot_weight": _WEIGHT,
        "local_weight": _WEIGHT,
        "local_weight_start": _WEIGHT,
        "local_weight_warmup": _COUNT,
        "gram_teacher": choice("none", "frozen"),
        "gram_weight": _WEIGHT,
        "gram_weight_warmup": _COUNT,
        "gram_refresh_interval": optional(_POSITIVE),
        "export_interval": _POSITIVE,
        "monitor_interval": _POSITIVE,
        "monitor_warn_after": _COUNT,
        "evaluation_interval": _POSITIVE,
        "total_iterations": _POSITIVE,
    },
    "Inference and evaluation": {
        "sw_overlap": number(0, 0.999999),
        "slice_batch_size": _POSITIVE,
        "mirror_axes": several(whole(0, 1), "a list of 0 (rows) and 1 (columns)"),
        "probabilities": _FLAG,
        "overlay": _FLAG,
        "dicom_seg": _FLAG,
        "postprocess": optional(either(off(), mapping("a mapping, {'organ': [{'_target_': ...}, ...]}"))),
        "shown_channels": optional(several(text(), "a list of channel names")),
        "metrics": several(
            mapping(), "a list of metrics, such as {'_target_': 'meddino_components.evaluation.Dice'}", at_least=1
        ),
        "n_pictures": _COUNT,
        "probes": several(mapping(), "a list of components, {'_target_': ...}", at_least=1),
        "n_resamples": _COUNT,
        "include_background": _FLAG,
        "layout": text("the name of a layout"),
        "vector": choice("cls", "mean_patch"),
        "pooling": choice("mean", "max"),
        "decoders": optional(several(mapping(), "a list of components, {'_target_': ...}", at_least=1)),
        "attention_maps": _COUNT,
    },
    "Machine": {
        "device": device(),
        "amp": either(truth(), choice("bf16", "fp16")),
        "compile": _FLAG,
        "num_workers": _COUNT,
        "progress": _FLAG,
        "extra_keys": several(text(), "a list of keys"),
    },
}
# keys that hold components, or that are computed from other keys
_WORDS = """
    cells check class_names controls data dataset datalist determinism dino_head displayable_configs embeddings
    encoders evaluation evaluator failed handlers held_out ibot_head image_set inferer initialised interruptions
    chosen_intensity early_stopping from_annotators label_settings load_image load_label loss loss_scaling lr_scheduler
    manifest members model model_exists network network_def normalize_image objective optimizer orient_case own_encoder
    postprocess_labels postprocessing preprocessing pretrained published random_network record reference regions
    run_folder same_grid schedule scored_names scores settings state_modality student_teacher train trained
    trainer training validate writer foreground_share initialize finalize run more_losses pictures
"""
COMPONENTS = frozenset(_WORDS.split())

KEYS: dict[str, Kind] = {key: kind for group in GROUPS.values() for key, kind in group.items()}
