"""The error that a user can mend, found behind others and written as one line."""

import pytest

from meddino_components.errors import InputError, error_behind, input_error, one_line, unwrapped


def test_the_error_behind_others_is_found():
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = ValueError("inner")
    wrapped.__cause__.__context__ = InputError("innermost")
    assert str(input_error(wrapped)) == "innermost"
    assert input_error(ValueError("no")) is None


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain  with two spaces", "plain  with two spaces"),
        ("a\n  b\n\n  c", "a; b; c"),
        (
            "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            '  File "x.py", line 1, in f\nmeddino_components.errors.InputError: b.nii: torn\n',
            "b.nii: torn",
        ),
    ],
)
def test_one_line(message, line):
    assert one_line(InputError(message)) == line


def test_an_error_of_any_kind_is_found_from_outside_inwards():
    outer = RuntimeError("outer")
    outer.__context__ = KeyError("inner")
    outer.__context__.__cause__ = KeyError("innermost")
    assert error_behind(outer, KeyError) is outer.__context__
    assert error_behind(outer, RuntimeError) is outer
    assert error_behind(outer, OSError) is None


def test_unwrapped_raises_the_input_error_alone():
    ours = InputError("a.nii: torn")
    wrapped = RuntimeError("of MONAI")
    wrapped.__cause__ = ours
    with pytest.raises(InputError) as caught, unwrapped():
        raise wrapped
    assert caught.value is ours
    # a traceback shows nothing of MONAI
    assert ours.__cause__ is None
    assert ours.__suppress_context__


@pytest.mark.parametrize("error", [InputError("a.nii: torn"), KeyError("a bug"), KeyboardInterrupt()])
def test_unwrapped_leaves_other_errors_as_they_are(error):
    with pytest.raises(type(error)) as caught, unwrapped():
        raise error
    assert caught.value is error
