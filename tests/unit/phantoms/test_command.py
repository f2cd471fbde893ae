"""The command writes as many cases as it was asked for."""

from meddino_components.data import read_datalist
from meddino_components.phantoms import command


def test_numbers_of_cases(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(command, "write_phantoms", lambda folder, **counts: asked.update(counts) or tmp_path / folder)
    assert command.phantom("new", n_ct=3, num_workers=0) == str(tmp_path / "new")
    assert asked == {"n_ct": 3, "n_mr": 4, "n_val_ct": 4, "n_val_mr": 2, "seed": 0, "num_workers": 0}


def test_a_small_set(tmp_path, monkeypatch):
    made = command.write_phantoms
    small = {"in_plane_px": 32, "slice_mm": (60.0, 60.0)}
    monkeypatch.setattr(command, "write_phantoms", lambda folder, **counts: made(folder, **counts, **small))
    command.phantom(str(tmp_path / "new"), n_ct=1, n_mr=1, n_val_ct=1, n_val_mr=0, num_workers=0)
    cases = [case["case_id"] for case in read_datalist(tmp_path / "new", "amos", "all_labelled")]
    assert cases == ["amos_0001", "amos_0501"]
