"""Write files completely or not at all, never over a user's file, with one writer per folder at a time."""

from .atomic import AtomicFiles
from .hashing import flush, sha256_of
from .lock import held_lock, release_lock
from .output_folder import OutputFolder, is_empty_folder, writes_results
from .results import ResultFiles, adopt, append_to, check_results, is_unchanged
from .spreadsheet import plain_cell, safe_cell, write_csv
from .temporaries import remove_dead_temporaries, temporary_beside
from .text import printable, write_text
from .with_sha256 import write_atomically

__all__ = [
    "AtomicFiles",
    "OutputFolder",
    "ResultFiles",
    "adopt",
    "append_to",
    "check_results",
    "flush",
    "held_lock",
    "is_empty_folder",
    "is_unchanged",
    "plain_cell",
    "printable",
    "release_lock",
    "remove_dead_temporaries",
    "safe_cell",
    "sha256_of",
    "temporary_beside",
    "write_atomically",
    "write_csv",
    "write_text",
    "writes_results",
]
