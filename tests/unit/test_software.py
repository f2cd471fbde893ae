"""Versions that records hold."""

from importlib.metadata import version

from meddino_components import __version__
from meddino_components.software import software_versions


def test_versions_are_those_of_the_installed_packages_as_plain_text():
    found = software_versions()
    assert found == {"meddino": __version__, **{name: version(name) for name in ("monai", "numpy", "torch")}}
    # torch's own is of a class that a record would not be read back as
    assert {type(value) for value in found.values()} == {str}
