"""Each source file has a unit test file of its own name, and each unit test file a source file."""

from pathlib import Path

from command_lines import REPOSITORY

SOURCES = REPOSITORY / "meddino_components"
UNIT_TESTS = REPOSITORY / "tests" / "unit"


def files_below(folder: Path, pattern: str) -> set[Path]:
    """Files by their path in the folder."""
    return {path.relative_to(folder) for path in folder.rglob(pattern)}


# sources by the test file that mirrors them; an `__init__.py` holds imports alone
EXPECTED = {
    source.with_name(f"test_{source.name}"): source
    for source in files_below(SOURCES, "*.py")
    if source.name != "__init__.py"
}
FOUND = files_below(UNIT_TESTS, "test_*.py")


def test_every_source_file_has_a_unit_test_file_of_its_name():
    missing = [f"{EXPECTED[test]} has no tests/unit/{test}" for test in sorted(EXPECTED.keys() - FOUND)]
    assert not missing, "\n".join(missing)


def test_every_unit_test_file_has_a_source_file_of_its_name():
    strangers = [f"tests/unit/{test} mirrors no source file" for test in sorted(FOUND - EXPECTED.keys())]
    advice = "name it after what it tests, or move it to a folder of tests/ that mirrors nothing"
    assert not strangers, "\n".join([*strangers, advice])
