"""Every key at the top level of the shipped configurations is in the one table, which the docs show."""

import pytest
from bundle_configs import COMBINED, label, read

from meddino_components.bundle.keys import COMPONENTS, KEYS
from meddino_components.bundle.settings import read_settings

# of a bundle with regions, and what has no kind: other keys and text
NO_SETTINGS = {"_meta_"}


@pytest.mark.parametrize("case", COMBINED, ids=label)
def test_every_key_has_a_kind(case):
    bundle, names = case
    config = read(bundle, *names)
    assert set(config) - set(KEYS) - COMPONENTS - NO_SETTINGS == set()
    # the defaults are what the keys take, and mean what they say
    plain = {key: value for key, value in config.items() if value is not None and key in KEYS}
    own = dict.fromkeys(plain)
    assert read_settings(plain, own) == {}


def test_the_table_has_no_key_that_nothing_has():
    found = {key for bundle, names in COMBINED for key in read(bundle, *names)}
    assert set(KEYS) - found == set()
    assert set(COMPONENTS) - found == set()
