"""What the author of a new bundle has yet to write."""

from __future__ import annotations

# begins a text that `new_bundle` cannot know; a bundle with one is not released
UNSTATED = "STATE HERE"
