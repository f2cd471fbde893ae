"""The classes of TotalSegmentator v2 have their published numbers."""

from totalsegmentator import TOTALSEGMENTATOR

from meddino_components.data.cases.totalsegmentator_labels import TOTALSEGMENTATOR_LABELS


def test_numbers_are_those_that_were_published():
    assert list(TOTALSEGMENTATOR_LABELS) == list(range(118))
    assert len(set(TOTALSEGMENTATOR_LABELS.values())) == 118
    # in the order of AMOS, as the page of the classes lists them
    found = [TOTALSEGMENTATOR_LABELS[number] for number in TOTALSEGMENTATOR]
    assert found == [
        "spleen",
        "kidney_right",
        "kidney_left",
        "gallbladder",
        "esophagus",
        "liver",
        "stomach",
        "aorta",
        "inferior_vena_cava",
        "pancreas",
        "adrenal_gland_right",
        "adrenal_gland_left",
        "duodenum",
        "urinary_bladder",
        "prostate",
    ]
    some = {25: "sacrum", 26: "vertebrae_S1", 27: "vertebrae_L5", 32: "vertebrae_T12", 50: "vertebrae_C1", 51: "heart"}
    some |= {79: "spinal_cord", 91: "skull", 92: "rib_left_1", 115: "rib_right_12", 117: "costal_cartilages"}
    assert {number: TOTALSEGMENTATOR_LABELS[number] for number in some} == some
