"""Functions whose options are in dataclasses, called with each option by itself."""

import inspect
from dataclasses import dataclass

import pytest

from meddino_components.shared_options import flattened


@dataclass(frozen=True, kw_only=True)
class Shared:
    source: str
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Drawn:
    n_tiles: int = 4
    seed: int = 0


def read(options: Shared, weights: str, drawn: Drawn, *, dpi: int = 300) -> tuple:
    """Read something."""
    return options, weights, drawn, dpi


def test_fields_are_arguments_and_those_without_a_default_come_first():
    assert str(inspect.signature(flattened(read))) == (
        "(source: 'str', weights: 'str', seed: 'int' = 0, n_tiles: 'int' = 4, dpi: 'int' = 300) -> 'tuple'"
    ).replace("'", "")
    assert flattened(read).__doc__ == "Read something."


def test_a_field_of_both_goes_to_both():
    assert flattened(read)("a", weights="w", seed=3) == (Shared(source="a", seed=3), "w", Drawn(seed=3), 300)


def test_what_is_missing_or_unknown_is_an_error():
    with pytest.raises(TypeError, match="missing a required argument: 'source'"):
        flattened(read)(weights="w")
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        flattened(read)("a", "w", depth=3)


def test_other_functions_stay():
    assert flattened(inspect.getdoc) is inspect.getdoc
