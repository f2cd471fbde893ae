"""Labels have the codes of DICOM's own tables, or those that a user gives."""

import pytest

from meddino_components.data import AMOS_LABELS, brats_regions
from meddino_components.errors import InputError
from meddino_components.inference.segment_codes import SEGMENT_CODES, codes_of

pytest.importorskip("pydicom")


def _group(codes, number):
    return getattr(codes, f"cid{number}").concepts.values()


def _is_code(scheme, name):
    return not name.startswith("_") and hasattr(getattr(scheme, name, None), "scheme_designator")


@pytest.mark.parametrize("convention", ["brats2012", "brats2017", "brats2023", "msd"])
def test_every_label_of_brats_has_a_code(convention):
    names = dict(brats_regions(convention).label_names)
    assert codes_of(names).keys() == names.keys()


def test_codes():
    assert set(AMOS_LABELS.values()) - {"background"} <= set(SEGMENT_CODES)
    from pydicom.sr.codedict import codes

    # pydicom's table of DICOM's context groups knows each of them
    known = {(code.value, code.scheme_designator) for group in (7168, 4031) for code in _group(codes, group)}
    known |= {(getattr(codes.SCT, name).value, "SCT") for name in dir(codes.SCT) if _is_code(codes.SCT, name)}
    for name, code in SEGMENT_CODES.items():
        for part in (code.kind, code.category, code.modifier, code.region):
            assert part is None or (part.value, part.scheme) in known, (name, part)
    with pytest.raises(InputError, match="label 1 'tail' has no code"):
        codes_of({0: "background", 1: "tail"})
    own = {"tail": {"kind": ["1", "99X", "Tail"], "modifier": ["2", "99X", "Long"]}}
    assert codes_of({1: "tail"}, own)[1].kind.meaning == "Tail"
    with pytest.raises(InputError, match="segment_codes of 'tail'"):
        codes_of({1: "tail"}, {"tail": {"kind": ["1"]}})
