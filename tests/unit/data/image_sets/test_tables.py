import pytest

from meddino_components.data.image_sets.tables import flag, read_list, read_table
from meddino_components.errors import InputError


def save(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_as_people_save_them(tmp_path, encoding, end, delimiter):
    lines = ["path;label;note", "ü 1.png; a ;x", "", '"2, b.png";b;"y; z"', ""]
    text = end.join(lines) if delimiter == ";" else end.join(lines).replace("; z", "").replace(";", delimiter)
    rows = read_table(save(tmp_path / "t.csv", text, encoding), ("label", "path"))
    assert [(row.number, row.cells) for row in rows] == [
        (2, {"label": "a", "path": "ü 1.png"}),
        (4, {"label": "b", "path": "2, b.png"}),
    ]


def test_cells_beyond_the_header_do_no_harm(tmp_path):
    rows = read_table(save(tmp_path / "t.csv", "Size[W,H],a,\n1,2,3,4,5\n"), ("a",))
    assert rows[0].cells == {"a": "3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,labl,x\n1,2,3\n", "no column 'label'. The columns are 'path', 'labl', 'x'."),
        ("path,label,label\n1,2,3\n", "the column 'label' is there twice"),
        ("path,label\n1.png,a\n2.png,\n", "row 3: column 'label' is empty"),
        ("path,label\n1.png\n", "row 2: column 'label' is empty"),
        ("path,label\n", "no row below the header"),
        ("", "is empty; expected a table"),
        ('path,label\n"1.png,a\n', "cannot be read as a table"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        read_table(save(tmp_path / "t.csv", text), ("path", "label"))
    assert str(tmp_path / "t.csv") in str(error.value)


def test_missing_files_and_other_encodings(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: no such file"):
        read_table(tmp_path / "t.csv", ("a",))
    with pytest.raises(InputError, match="Save it as UTF-8"):
        read_table(save(tmp_path / "t.csv", "a,b\nü,1\n", "utf-16"), ("a",))
    assert read_list(save(tmp_path / "l.txt", "a.png\r\n\r\n b.png \r\n")) == ["a.png", "b.png"]


def test_flags(tmp_path):
    path = save(tmp_path / "t.csv", "x\n0\n1\n1.0\n-1\nyes\n")
    rows = read_table(path, ("x",))
    assert [flag(row, "x", path) for row in rows[:3]] == [0, 1, 1]
    for row, text in zip(rows[3:], ("'-1'", "'yes'"), strict=True):
        with pytest.raises(InputError, match=f"row {row.number}: 'x' is {text}; expected 0 or 1"):
            flag(row, "x", path)
