"""Networks that do not fit together are refused by name."""

import pytest
from ensembles import settings_of, write_member

from meddino_components.errors import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {0: "background", 1: "kidney", 2: "spleen"}}, "label 2 is (tumour|spleen) in the first"),
        ({"channels": ("flair",)}, r"channel_names is \['(image|flair)'\]"),
        ({"modality": "mr"}, "modality is (ct|mr) in the first and (ct|mr) in the second"),
        ({"modality": None}, "modality is (ct|not set) in the first"),
        ({"axcodes": "ILP"}, "axcodes is (PLS|ILP)"),
        ({"fingerprint": None}, "fingerprint is"),
        ({"background": 0.0}, "background is (not set|0.0)"),
        (
            {"steps": {"kidney": [{"step": "largest_component", "connectivity": 3}]}},
            "postprocess is (not set|{'kidney')",
        ),
    ],
)
def test_what_all_networks_must_share(tmp_path, changes, message):
    paths = write_member(tmp_path / "a.pt"), write_member(tmp_path / "b.pt", **changes)
    with pytest.raises(InputError, match=message) as error:
        settings_of(*paths)
    assert "a.pt" in str(error.value)
    assert "b.pt" in str(error.value)
    assert "cannot segment together" in str(error.value)


def test_windows_and_grids_are_each_networks_own(tmp_path):
    paths = write_member(tmp_path / "a.pt"), write_member(tmp_path / "b.pt", roi_size=[64, 32], pixdim=[1.0, 1.0])
    found, again = settings_of(*paths), settings_of(*reversed(paths))
    assert found == again
    assert sorted(one.roi_size for one in found.members) == [[32, 32], [64, 32]]
    assert len(found.records) == 2
    assert (found.record, found.record_id, found.selection) == (None, None, None)
    assert found.label_names == ["background", "kidney", "tumour"]
