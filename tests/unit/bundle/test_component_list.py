"""The components that a released bundle may name are those that the bundles of this project name."""

import json

import pytest
from bundle_configs import BUNDLES

from meddino_components.bundle.allowed import COMPONENTS
from meddino_components.bundle.component_list import component_list, write_component_list
from meddino_components.errors import InputError


def small_bundle(root, *targets):
    (root / "sources").mkdir(parents=True)
    listed = [{"_target_": target} for target in targets]
    (root / "sources" / "main.yaml").write_text(json.dumps({"parts": listed, "run": ["@parts", "@check"]}))
    (root / "sources" / "layers.yaml").write_text("complete: {train: [main.yaml]}\noverlays: {}\n")
    return root


def test_the_committed_list_is_as_generated():
    assert sorted(COMPONENTS) == component_list(BUNDLES), "run python -m meddino_components build"


def test_names_of_this_package_are_listed_once_and_sorted(tmp_path):
    loss, loader = "meddino_components.losses.GramLoss", "meddino_components.processes.loader_processes"
    bundles = [small_bundle(tmp_path / "a", loader, loss, "torch.nn.Linear"), small_bundle(tmp_path / "b", loss)]
    (tmp_path / "bundle").mkdir()
    path = write_component_list(tmp_path, bundles)
    assert json.loads(path.read_text(encoding="utf-8")) == [
        "meddino_components.bundle.check_overrides",
        loss,
        loader,
    ]


@pytest.mark.parametrize("name", ["meddino_components.losses.gram.F", "meddino_components.losses.soft_dice",
                                  "meddino_components.processes.os", "meddino_components.losses.Lost"])  # fmt: skip
def test_a_name_that_its_room_does_not_export_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"a configuration names {name}, which .* does not export: add it to __all__"):
        component_list([small_bundle(tmp_path / "a", name)])
