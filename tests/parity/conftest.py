"""Reference data of the official code: the committed part, or a whole set named by MEDDINO_GOLDEN."""

import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file

GOLDEN = Path(os.environ.get("MEDDINO_GOLDEN") or Path(__file__).parent / "golden")


# parameter of a test -> (folder, end of the names of its files)
FILES = {
    "vit_variant": ("vit", ".kwargs.json"),
    "primus_case": ("primus", ".io.safetensors"),
    "ssl_scenario": ("ssl", ".outputs.safetensors"),
}


def pytest_generate_tests(metafunc):
    """Parametrise by the files that are there."""
    for parameter, (folder, end) in FILES.items():
        if parameter in metafunc.fixturenames:
            names = sorted(path.name.removesuffix(end) for path in (GOLDEN / folder).glob(f"*{end}"))
            metafunc.parametrize(parameter, names, scope="session")


def reader(read):
    """Read a file of the reference data by its name, or skip the test where only the committed part is at hand."""

    def load(name):
        path = GOLDEN / name
        if not path.exists():
            pytest.skip(f"{name} is not in the committed part of the reference data; set MEDDINO_GOLDEN for the whole")
        return read(path)

    return load


@pytest.fixture(scope="session")
def golden_tensors():
    return reader(load_file)


@pytest.fixture(scope="session")
def golden_json():
    return reader(lambda path: json.loads(path.read_text(encoding="utf-8")))
