import numpy as np
import pytest
from monai.bundle import ConfigParser
from picture_files import save_grey, write_csv

from meddino_components.data.image_sets import read_image_set
from meddino_components.errors import InputError


def save(root):
    for k in range(20):
        save_grey(root / f"{k}.png")
    write_csv(root / "t.csv", "path,kind", *[f"{k}.png,{'ab'[k % 2]}" for k in range(20)])
    return root


OPTIONS = {"table": "t.csv", "path_column": "path", "class_column": "kind"}


def test_a_configuration_names_it(tmp_path):
    reference = {"_target_": "meddino_components.data.image_sets.read_image_set", "root": str(save(tmp_path))}
    parser = ConfigParser({"images": reference | {"layout": "table", "options": {"seed": 3, **OPTIONS}}})
    found = parser.get_parsed_content("images")
    assert found.samples == read_image_set(tmp_path, "table", {"seed": 3, **OPTIONS}).samples
    np.testing.assert_array_equal(found.positives(), [10, 10])


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("folder", {}, "layout is 'folder'; expected one of medmnist, table, chest_xray14, rsna_pneumonia, ct_rate"),
        ("medmnist", {"seed": 1}, "layout 'medmnist' has no option seed. Its options are none"),
        ("ct_rate", {"seed": 1, "split": 2}, "layout 'ct_rate' has no option split. Its options are labels, val_frac"),
        ("table", {"class_column": "kind"}, "layout 'table' needs table, path_column"),
    ],
)
def test_options_that_do_not_apply(tmp_path, layout, options, message):
    with pytest.raises(InputError, match=message):
        read_image_set(tmp_path, layout, options)
