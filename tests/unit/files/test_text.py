"""Text with names that no encoding knows."""

import io
import json
import os
import sys

from meddino_components.files import printable, write_text
from meddino_components.files.text import stable_name

NAME = os.fsdecode(b"h\xfctte")


def test_json_gives_the_name_back(tmp_path):
    write_text(tmp_path / "a.json", json.dumps({"case": NAME}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"case": NAME}


def test_printing_to_an_output_that_knows_no_umlaut(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    print(printable(f"Größe {NAME}"))
    shown.flush()
    assert shown.buffer.getvalue() == b"Gr\\xf6\\xdfe h\\udcfctte\n"


def test_one_name_in_every_locale():
    assert stable_name("Größe") == "Größe"
    assert stable_name(NAME).encode("utf-8", "surrogateescape") == b"h\xfctte"
