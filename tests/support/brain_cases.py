"""Cases of the four MRI sequences, as inference of meddinov3_seg_brats lists them."""

from functools import partial

from meddino_components.data import list_channel_cases
from meddino_components.data.cases.sequence_names import SEQUENCES

brain_cases = partial(list_channel_cases, channels=SEQUENCES, channel_modality="mr")
