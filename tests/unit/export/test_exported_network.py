"""A `.pt2` file can run code when torch reads it: none is read whose SHA-256 its user has not stated."""

import io
import zipfile

import pytest
import torch
from command_lines import AMOS, BRATS

from meddino_components.__main__ import main
from meddino_components.bundle import segment
from meddino_components.checkpoints import WeightsRecord, read_payload, sha256_of
from meddino_components.errors import InputError
from meddino_components.export import ExportedNetwork
from meddino_components.export.formats import read_exported, write_exported


class Harmful:
    """Writes the file `ran` into the working directory when it is unpickled."""

    def __reduce__(self):
        return open, ("ran", "w")


@pytest.fixture(scope="module")
def exported(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    write_exported(program, path, WeightsRecord(export={"input": {"channels": 4, "multiple_of_px": 16}}))
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pickled(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def rewritten(source, target, replaced=None, added=None):
    """A copy of a .pt2 archive with other content of members, or more of them."""
    replaced = replaced or {}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, replaced.get(name.partition("/")[2], content))
        for name, content in (added or {}).items():
            new.writestr(f"{old.namelist()[0].partition('/')[0]}/{name}", content)
    return target


@pytest.fixture
def evil(exported, here):
    return rewritten(exported, here / "model.pt2", {"data/sample_inputs/model.pt": pickled(Harmful())})


def refused(here, action, *said):
    with pytest.raises(InputError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for text in ("model", *said):
        assert text in message
    assert not (here / "ran").exists()


def test_torch_itself_runs_what_is_in_such_a_file(evil, here):
    """If this fails one day, the rule can go."""
    with pytest.raises(Exception, match=r"."):
        torch.export.load(evil)
    assert (here / "ran").exists()


@pytest.mark.parametrize("bundle", [AMOS, BRATS], ids=lambda bundle: bundle.name)
def test_refused_until_its_hash_is_stated(evil, here, bundle):
    # who makes the one can make the other
    (here / "model.pt2.sha256").write_text(f"{sha256_of(evil)}  model.pt2\n")
    refused(here, lambda: read_exported(evil), "reading a .pt2 file can run code", "--model_sha256")
    refused(here, lambda: ExportedNetwork(source=evil), "reading a .pt2 file can run code")
    refused(here, lambda: segment("x.nii.gz", here / "out", bundle=bundle, model=evil, modality="ct"), "can run code")
    assert not (here / "out").exists()


@pytest.mark.parametrize("stated", ["0" * 64, "", "abc", "$@x", 12])
def test_refused_with_another_hash(evil, here, stated):
    refused(here, lambda: read_exported(evil, stated), "SHA-256")
    refused(here, lambda: segment("x.nii.gz", here / "out", bundle=AMOS, model=evil, model_sha256=stated), "SHA-256")


def test_the_hash_of_the_file_as_it_was_does_not_open_a_changed_one(exported, evil, here):
    refused(here, lambda: read_exported(evil, sha256_of(exported)), "was given: the file is damaged or not")


def test_the_command_line_says_it_in_one_line(evil, here, capsys):
    with pytest.raises(SystemExit) as end:
        main(["segment", "x.nii.gz", "out", "--bundle", str(AMOS), "--model", str(evil), "--modality", "ct"])
    assert end.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"error: {evil}: refused, because reading a .pt2 file can run code")
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    ("replaced", "added", "said"),
    [
        ({}, {"data/aotinductor/model/x.so": b"\x7fELF"}, "data/aotinductor/model/x.so"),
        ({}, {"data/aotinductor/model/x.cpp": b"int main(){}"}, "x.cpp"),
        ({}, {"models/other.json": b"{}"}, "models/other.json"),
        ({}, {"data.pkl": pickled(Harmful())}, "data.pkl"),
        ({}, {"code/__torch__.py": b"x"}, "code/__torch__.py"),
    ],
)
def test_members_that_no_export_of_ours_has(exported, here, replaced, added, said):
    path = rewritten(exported, here / "model.pt2", replaced, added)
    refused(here, lambda: read_exported(path, sha256_of(path)), said, "do not use it")


@pytest.mark.parametrize("member", ["data/sample_inputs/model.pt", "data/weights/weight_0"])
def test_a_pickle_in_any_place_needs_the_hash(exported, here, member):
    path = rewritten(exported, here / "model.pt2", {member: pickled(Harmful())})
    refused(here, lambda: ExportedNetwork(source=path), "can run code")


def test_under_another_name_it_is_no_network(evil, here):
    for name in ("model.onnx", "model.pt", "model.safetensors"):
        (here / name).write_bytes(evil.read_bytes())
    refused(here, lambda: read_payload(here / "model.pt"), "cannot be read")
    refused(here, lambda: read_payload(here / "model.safetensors"), "cannot be read")
    pytest.importorskip("onnxruntime")
    refused(here, lambda: read_exported(here / "model.onnx"), "is not an ONNX model")


def test_a_script_is_no_weights(here):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), here / "model.pt")
    refused(here, lambda: read_payload(here / "model.pt"), "cannot be read")


def test_what_was_exported_here_is_read_with_its_hash(exported):
    run, record = read_exported(exported, sha256_of(exported).upper())
    assert record.export["input"]["channels"] == 4
    assert run(torch.zeros(1, 4, 32, 48)).shape == (1, 3, 32, 48)
