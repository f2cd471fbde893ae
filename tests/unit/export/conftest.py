"""What is slow to make is made once."""

import pytest
from tiny_segmenter import tiny_segmenter

from meddino_components.export.program import export_program


@pytest.fixture(scope="session")
def network():
    """With four channels in and three out, which is neither grey nor the backbone's own number."""
    return tiny_segmenter(in_channels=4, num_classes=3)


@pytest.fixture(scope="session")
def program(network):
    return export_program(network)
