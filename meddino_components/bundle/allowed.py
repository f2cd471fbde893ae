"""List what the configurations of a released bundle may call.

A configuration is code: MONAI imports what a ``_target_`` names, and Python evaluates what begins with ``$``. Allowed
are our components that the bundles of this project use (``components.json``), and what is listed below: what our
configurations use of other packages, and the parts of MONAI that only compute. These read and write no file, download
nothing and call nothing by its name. Everything else is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from monai.bundle import ComponentLocator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ours: what the bundles of this project name, written by `python -m meddino_components build`
COMPONENTS: frozenset[str] = frozenset(json.loads(Path(__file__).with_name("components.json").read_text("utf-8")))
# of others, by the names that a configuration writes; those without a dot are MONAI's
OTHER_COMPONENTS = _words("""
    Compose DataLoader Dataset DistributedSampler Invertd LrScheduleHandler MeanDice StatsHandler SupervisedEvaluator
    SupervisedTrainer TensorBoardStatsHandler ToDeviced
    ignite.handlers.ProgressBar
    monai.handlers.IgniteMetricHandler
    monai.utils.set_determinism
    torch.Generator torch.optim.AdamW torch.optim.lr_scheduler.PolynomialLR torch.utils.data.DataLoader
    """)
# whose classes may be put in, by their short name or by a path through these packages. Not whole packages: transforms
# hold Lambda and readers of pickles, losses and networks download, handlers load and write files
MONAI_MODULES = _words("""
    monai.losses.cldice monai.losses.dice monai.losses.focal_loss monai.losses.hausdorff_loss monai.losses.tversky
    monai.losses.unified_focal_loss
    monai.metrics.confusion_matrix monai.metrics.generalized_dice monai.metrics.hausdorff_distance
    monai.metrics.meandice monai.metrics.meaniou monai.metrics.rocauc monai.metrics.surface_dice
    monai.metrics.surface_distance
    monai.networks.nets.attentionunet monai.networks.nets.basic_unet monai.networks.nets.dynunet
    monai.networks.nets.segresnet monai.networks.nets.swin_unetr monai.networks.nets.unet monai.networks.nets.unetr
    monai.networks.nets.vnet
    monai.transforms.croppad.array monai.transforms.croppad.dictionary monai.transforms.intensity.array
    monai.transforms.intensity.dictionary monai.transforms.post.array monai.transforms.smooth_field.array
    monai.transforms.smooth_field.dictionary monai.transforms.spatial.array monai.transforms.spatial.dictionary
    """)
# through which their classes are imported as a rule
_MONAI_PACKAGES = _words("monai.losses monai.metrics monai.networks.nets monai.transforms")

# Functions that an expression may call: how many arguments by position, and the names of the others. Arguments are
# listed, for some change what a call does.
CALLS: Mapping[str, tuple[int, frozenset[str]]] = {
    "monai.handlers.from_engine": (1, _words("keys first")),
    "torch.cuda.is_available": (0, frozenset()),
    "torch.device": (2, _words("type index")),
    "torch.distributed.destroy_process_group": (0, frozenset()),
    "torch.distributed.get_node_local_rank": (0, frozenset()),
    "torch.distributed.get_rank": (0, frozenset()),
    "torch.distributed.get_world_size": (0, frozenset()),
    "torch.distributed.is_initialized": (0, frozenset()),
    # Python's own, which compute; `exit` ends the process with a status
    **dict.fromkeys(
        _words("abs all any bool dict exit float int len list max min round str sum tuple"), (2, frozenset())
    ),
}
# constants of modules
VALUES = _words("torch.bfloat16 torch.float16 torch.float32")
# attributes and methods of components, texts and tensors
ATTRIBUTES = _words("""
    axcodes background backbone channel_names context_slices dataset_layout embed_dim exit_if_failed fingerprint fold
    frozen_until item items keys label_names lower members modality n_folds names num_labels partial patch_size pixdim
    postprocess postprocess_settings record record_id records regions resampling roi_size rstrip run segment_codes
    selection sha256 split strip type upper values
    """)


def is_component(name: str) -> bool:
    """Return whether a ``_target_`` may have this value."""
    if name in COMPONENTS or name in OTHER_COMPONENTS:
        return True
    package, _, short = name.rpartition(".")
    found = _locator().get_component_module_name(short)
    modules = [found] if isinstance(found, str) else found or []
    # of several modules with this name MONAI takes the first, and which that is depends on what was imported before
    return bool(modules) and all(
        module in MONAI_MODULES and (package in ("", module) or package in _MONAI_PACKAGES) for module in modules
    )


@cache
def _locator() -> ComponentLocator:
    return ComponentLocator()
