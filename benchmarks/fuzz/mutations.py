"""Changes to one header: a bit, some bytes, an edge of the range, a line gone or there twice, a file cut."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

from fuzz.samples import Field, Sample

_WORDS = [
    *("0", "-1", "1", "3", "nan", "inf", "-inf", "1e999", "1e-30", "99999999999", "65536", "none", "", " ", "None"),
    *("LIST", "../a.raw", "/etc/passwd", "a%03d.raw 0 3 1", "%s", "True", "False", "(1,0,0)", "0 0 0", "1 1 1"),
    *(
        "nan nan nan",
        "2 2 2",
        "24 20 5 1",
        "24 20",
        "5 20 24",
        "LPS",
        "RAS",
        "uchar",
        "MET_UCHAR",
        "float",
        "gzip",
        "raw",
    ),
]
_BINARY = [b"\0", b"\xff", b"\x7f", b"\x80"]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """What was done.

    Attributes:
        field: whose bytes were touched; "file" where the file was cut.
        how: the kind of change.
        content: of the target file, before compression.
    """

    field: str
    how: str
    content: bytes


def mutate(sample: Sample, seed: int) -> Mutation:
    """The mutation of this number, always the same."""
    rng = random.Random(f"{sample.kind} {seed}")
    content, field = sample.files[sample.target], rng.choice(sample.fields)
    text = sample.kind.split()[0] in ("nrrd", "nhdr", "mha", "mhd", "dataset.json")
    hows = ["bit", "byte", "bytes", "word", "cut", *(["gone", "twice", "digit"] if text else ["edge", "float"])]
    how = rng.choice(hows)
    if how == "cut":
        return Mutation(field="file", how=how, content=content[: rng.randrange(len(content))])
    return Mutation(field=field.name, how=how, content=_changed(content, field, how, rng))


def _changed(content: bytes, field: Field, how: str, rng: random.Random) -> bytes:
    before, value, after = content[: field.start], content[field.start : field.end], content[field.end :]
    size = len(value)
    if how == "bit":
        at = rng.randrange(size)
        value = value[:at] + bytes([value[at] ^ (1 << rng.randrange(8))]) + value[at + 1 :]
    elif how in ("byte", "bytes"):
        changed = bytearray(value)
        for _ in range(1 if how == "byte" else rng.randint(2, max(2, size))):
            changed[rng.randrange(size)] = rng.randrange(256)
        value = bytes(changed)
    elif how == "edge":
        value = rng.choice(_BINARY) * size
    elif how == "float":
        special = struct.pack("<f", rng.choice([float("nan"), float("inf"), -1.0, 0.0, 1e30, 1e-30, 0.5]))
        value = (special * (size // 4 + 1))[:size]
    elif how == "digit":
        digits = [at for at, byte in enumerate(value) if chr(byte).isdigit()]
        if digits:
            at = rng.choice(digits)
            value = value[:at] + str(rng.randrange(10)).encode() + value[at + 1 :]
    elif how == "word":
        word = rng.choice(_WORDS).encode()
        # binary fields keep their length, so that those behind stay where they are
        value = word if field.name and b"\n" in content[:200] else word[:size].ljust(size, b" ")
    else:
        start = before.rfind(b"\n") + 1
        line, end = before[start:] + value, after.find(b"\n") + 1
        before = before[:start]
        line, after = line + after[:end], after[end:]
        value = b"" if how == "gone" else line * 2
    return before + value + after
