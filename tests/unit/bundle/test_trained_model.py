"""Which weights are meant where nobody names any."""

import pytest

from meddino_components.bundle import check_trained_model, find_trained_model
from meddino_components.errors import InputError


def find(tmp_path, *existing):
    for name in existing:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    trained = [tmp_path / "output" / f"{n}.pt" for n in (3, 2)]
    return find_trained_model(released=tmp_path / "models" / "model.pt", trained=trained)


@pytest.mark.parametrize(
    ("existing", "found"),
    [
        (["models/model.pt"], "models/model.pt"),
        (["output/2.pt"], "output/2.pt"),
        (["output/2.pt", "output/3.pt"], "output/3.pt"),
    ],
)
def test_the_one_that_is_there(tmp_path, existing, found):
    assert find(tmp_path, *existing) == str(tmp_path / found)


def test_two_networks_are_asked_about(tmp_path):
    with pytest.raises(
        InputError, match=r"models/model\.pt\) and weights from a training here .*2\.pt\): choose one by `--model_path`"
    ):
        find(tmp_path, "models/model.pt", "output/2.pt")


def test_none_says_where_it_was_looked_for(tmp_path):
    released = find(tmp_path)
    assert released == str(tmp_path / "models" / "model.pt")
    trained = [tmp_path / "output" / "3.pt"]
    with pytest.raises(InputError, match=r"model\.pt: no such file, and no training .*3\.pt: name weights by"):
        check_trained_model(path=released, trained=trained)
    for path in ("hf://owner/name", "meddinov3-b", tmp_path):
        check_trained_model(path=path, trained=trained)
