"""Addresses on the hub, read and written."""

import pytest

from meddino_components.checkpoints.hub_address import HubAddress, parse_hub_address
from meddino_components.errors import InputError


def test_an_address_with_a_revision():
    address = parse_hub_address("hf://owner/name@4f2a/sub/file.pth")
    assert (address.repository, address.revision, address.file) == ("owner/name", "4f2a", "sub/file.pth")
    assert str(address) == "hf://owner/name@4f2a/sub/file.pth"
    assert parse_hub_address("weights.pth") is None
    for wrong in ("hf://owner", "hf://owner/name@", "hf://owner/name@a@b"):
        with pytest.raises(InputError, match="expected hf://owner/name"):
            parse_hub_address(wrong)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://a/b", HubAddress(repository="a/b")),
        ("hf://a/b@v1.0", HubAddress(repository="a/b", revision="v1.0")),
        ("hf://a/b/c d.pt", HubAddress(repository="a/b", file="c d.pt")),
        ("hf://a/b/c@2.pt", HubAddress(repository="a/b", file="c@2.pt")),
        ("hf://a-1/b_2.x@main/c/d.pt", HubAddress(repository="a-1/b_2.x", revision="main", file="c/d.pt")),
    ],
)
def test_reading_and_writing_are_opposites(text, address):
    assert parse_hub_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["hf://", "hf://a", "hf:///b", "hf://a/", "hf://a/b/", "hf://a b/c", "hf://a/b@/c.pt"])
def test_half_an_address_is_refused_with_the_forms_that_there_are(text):
    with pytest.raises(InputError) as refused:
        parse_hub_address(text)
    assert str(refused.value).startswith(f"{text}: expected hf://owner/name, hf://owner/name/file or ")


@pytest.mark.parametrize("text", ["a/b", "HF://a/b", " hf://a/b", "meddinov3-b", ""])
def test_a_path_or_a_name_is_no_address(text):
    assert parse_hub_address(text) is None
