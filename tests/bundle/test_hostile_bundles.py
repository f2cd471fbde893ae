"""No payload of `hostile_bundles` runs: `package`, `unpack` and `segment` refuse each in one line that names it."""

import zipfile

import pytest
import torch
from bundle_configs import BUNDLES
from command_lines import AMOS, REPOSITORY
from hostile_bundles import CONFIGURATIONS, CONTENTS, members_of

from meddino_components.bundle import package, segment, unpack
from meddino_components.checkpoints import sha256_of
from meddino_components.errors import InputError


def write_zip(path, members, top=AMOS.name):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{top}/{name}", content)
    return path


def write_folder(root, members):
    for name, content in members.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, in which nothing may run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("meddino_components.bundle.release_checks._run_monai", lambda root, *words: pytest.fail("ran"))
    yield tmp_path
    assert not list(tmp_path.rglob("ran"))


def refused(action, *said):
    with pytest.raises(InputError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for text in said:
        assert text in message
    return message


@pytest.fixture(params=[*CONFIGURATIONS, *CONTENTS])
def hostile(request):
    change, file, said = {**CONFIGURATIONS, **CONTENTS}[request.param]
    members = members_of()
    change(members)
    return members, file, said


def test_unpack_refuses(here, hostile):
    members, file, said = hostile
    archive = write_zip(here / "hostile.zip", members)
    refused(lambda: unpack(archive, here / "out"), "hostile.zip: ", file, said)
    assert not (here / "out").exists()


# `package` ships neither the bundle's `models` nor its `meddino_components`, but --model and what is running
LEFT_OUT = {name for name in CONTENTS if CONTENTS[name][1].startswith(("models/", "meddino_components/errors.py"))}


@pytest.mark.parametrize("name", sorted({*CONFIGURATIONS, *CONTENTS} - LEFT_OUT))
def test_package_refuses(here, name):
    change, file, said = {**CONFIGURATIONS, **CONTENTS}[name]
    members = members_of()
    change(members)
    refused(lambda: package(write_folder(here / AMOS.name, members), here / "dist"), file, said)
    assert not (here / "dist").exists()


def test_package_leaves_out_what_lies_among_the_weights(here, monkeypatch):
    monkeypatch.setattr("meddino_components.bundle.release_checks._run_monai", lambda root, *words: None)
    members = members_of()
    for name in LEFT_OUT:
        CONTENTS[name][0](members)
    with zipfile.ZipFile(package(write_folder(here / AMOS.name, members), here / "dist")) as archive:
        assert not [name for name in archive.namelist() if "/models/" in name]
        shipped = archive.read(f"{AMOS.name}/meddino_components/errors.py")
    assert shipped == (REPOSITORY / "meddino_components" / "errors.py").read_bytes()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_segment_refuses(here, name):
    change, file, said = CONFIGURATIONS[name]
    members = members_of()
    change(members)
    bundle = write_folder(here / AMOS.name, members)
    (here / "scan.nii.gz").write_bytes(b"never read")
    refused(
        lambda: segment(here / "scan.nii.gz", here / "out", bundle=bundle, modality="ct", overlay_config="laptop"),
        file,
        said,
        "python -m monai.bundle run",
    )
    assert not (here / "out").exists()


@pytest.mark.parametrize("name", ["nibabel.py", "nibabel/__init__.py", "highdicom.so", "meddino_components/evil.py"])
def test_segment_refuses_code_beside_the_configurations(here, name):
    bundle = write_folder(here / AMOS.name, {**members_of(), name: b"open('ran', 'w')"})
    refused(
        lambda: segment("scan.nii.gz", here / "out", bundle=bundle, modality="ct"), name.removesuffix("/__init__.py")
    )


def test_segment_takes_no_archive_for_a_bundle(here):
    archive = write_zip(here / "bundle.zip", members_of())
    refused(lambda: segment("scan.nii.gz", here / "out", bundle=archive), "bundle.zip")


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_every_shipped_configuration_keeps_the_rules(tmp_path, bundle):
    archive = write_zip(tmp_path / "good.zip", members_of(bundle), top=bundle.name)
    folder = unpack(archive, tmp_path / "out")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == members_of(bundle)


@pytest.mark.parametrize(
    "target",
    ["DiceFocalLoss", "monai.losses.DiceCELoss", "RandRotated", "monai.transforms.spatial.dictionary.RandZoomd",
     "DynUNet", "monai.networks.nets.UNet", "SurfaceDiceMetric"],
)  # fmt: skip
def test_parts_of_monai_that_compute_may_be_put_in(tmp_path, target):
    members = members_of()
    members["configs/own.json"] = f'{{"loss": {{"_target_": "{target}"}}}}'.encode()
    assert unpack(write_zip(tmp_path / "own.zip", members), tmp_path / "out").is_dir()


class Harmful:
    def __reduce__(self):
        return open, ("ran", "w")


def test_weights_that_run_code_are_refused(here):
    torch.save({"model": Harmful()}, here / "model.pt")
    members = {**members_of(), "models/model.pt": (here / "model.pt").read_bytes()}
    archive = write_zip(here / "hostile.zip", members)
    refused(
        lambda: unpack(archive, here / "out"),
        "hostile.zip",
        "models/model.pt: refused, as it holds Python objects",
    )
    assert not list((here / "out").iterdir())
    refused(lambda: package(AMOS, here / "dist", model=here / "model.pt"), "model.pt: refused, as it holds Python")
    assert not (here / "dist").exists()


def test_scripts_are_no_weights(here):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), here / "model.pt")
    members = {**members_of(), "models/model.pt": (here / "model.pt").read_bytes()}
    refused(lambda: unpack(write_zip(here / "hostile.zip", members), here / "out"), "models/model.pt: cannot be read")


def test_components_of_another_release_need_the_hash_of_the_archive(here):
    code = {"meddino_components/__init__.py": b"__version__ = '9.9.9'\n", "meddino_components/new.py": b"x = 1\n"}
    archive = write_zip(here / "other.zip", {**members_of(), **code})
    said = refused(lambda: unpack(archive, here / "out"), "meddino_components/__init__.py: is not that of", "--sha256")
    assert "(and 1 more like it)" in said
    refused(lambda: unpack(archive, here / "out", sha256="0" * 64), "SHA-256 is")
    folder = unpack(archive, here / "out", sha256=sha256_of(archive))
    assert (folder / "meddino_components" / "new.py").read_bytes() == b"x = 1\n"


def test_the_hash_of_the_archive_does_not_open_configurations(here):
    members = members_of()
    CONFIGURATIONS["expression: import"][0](members)
    archive = write_zip(here / "hostile.zip", members)
    refused(lambda: unpack(archive, here / "out", sha256=sha256_of(archive)), "$import os")


def test_the_first_of_several_rules_is_named_and_the_others_counted(here):
    members = members_of()
    members["configs/a.json"] = b'{"a": "$import os", "b": ["$import sys"]}'
    members["evil.py"] = b""
    said = refused(lambda: unpack(write_zip(here / "h.zip", members), here / "out"), "evil.py")
    assert "(and 2 more like it)" in said
