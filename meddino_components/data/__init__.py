"""Read, check and prepare data: volumes, data sets, plans, slice stores, curation, crops and labelled images."""

from .augmentation import KeepBackgroundd, RandBlurd, RandGammad, RandLowResolutiond, RandRotateScaled
from .cases.amos import AMOS_LABELS
from .cases.brats_labels import brats_regions
from .cases.channel_listing import list_channel_cases
from .cases.datasets import read_datalist
from .cases.label_names import class_names, label_names
from .cases.layouts import find_layout
from .cases.listing import list_cases
from .cases.plan import plan
from .cases.region_conventions import data_set_regions
from .cases.sequence_loading import LoadSequencesd
from .crops import CropCollate, CropDistortions, MultiCropDataset
from .curation import curate
from .image_sets import ImageSet, load_picture, read_image_set
from .slice_store import SliceStore
from .training_slices.cache_place import default_cache_dir
from .training_slices.global_batch_sampler import GlobalBatchSampler
from .training_slices.slice_dataset import SliceDataset
from .training_slices.volume_cache import VolumeCache
from .volumes.body_region import body_mask, body_region
from .volumes.dicom import describe_series, list_series
from .volumes.grids import CheckSameGridd
from .volumes.intensity import NormalizeIntensityByModalityd
from .volumes.intensity_table import INTENSITY_TABLE, stated_fingerprint
from .volumes.label_loading import LoadLabeld
from .volumes.loading import LoadVolumed
from .volumes.modality import StateModalityd
from .volumes.read_ahead import ReadAhead
from .volumes.regions import LabelsToRegionsd, LoadRegionLabelsd, Regions
from .volumes.resampling import ResampleInPlaned, in_plane_spacing, resize_slices

__all__ = [
    "AMOS_LABELS",
    "INTENSITY_TABLE",
    "CheckSameGridd",
    "CropCollate",
    "CropDistortions",
    "GlobalBatchSampler",
    "ImageSet",
    "KeepBackgroundd",
    "LabelsToRegionsd",
    "LoadLabeld",
    "LoadRegionLabelsd",
    "LoadSequencesd",
    "LoadVolumed",
    "MultiCropDataset",
    "NormalizeIntensityByModalityd",
    "RandBlurd",
    "RandGammad",
    "RandLowResolutiond",
    "RandRotateScaled",
    "ReadAhead",
    "Regions",
    "ResampleInPlaned",
    "SliceDataset",
    "SliceStore",
    "StateModalityd",
    "VolumeCache",
    "body_mask",
    "body_region",
    "brats_regions",
    "class_names",
    "curate",
    "data_set_regions",
    "default_cache_dir",
    "describe_series",
    "find_layout",
    "in_plane_spacing",
    "label_names",
    "list_cases",
    "list_channel_cases",
    "list_series",
    "load_picture",
    "plan",
    "read_datalist",
    "read_image_set",
    "resize_slices",
    "stated_fingerprint",
]
