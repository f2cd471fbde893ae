"""Stands for ``python``, ``torchrun``, ``pip``, ``make`` and ``cp`` on the path of a documented command, and runs it.

A command runs as it stands. What may differ is where the data lie (``/data`` becomes the sandbox's), how long a run is,
its batch size, and the backbone where the default is too large for a CPU; options that are typed stay. Commands that
cannot run here are on the list `EXCEPTIONS`, each with its reason and with a check of what can be checked.

Every call leaves a line in the file that the environment variable ``DOCUMENTED_LOG`` names. ``PYTHON_EXEC`` is the
Python that runs it, and which torchrun starts its processes by.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from quiet import warnings_said

# not from `command_lines`, which loads what a program of one line has no use for
REPOSITORY = Path(__file__).parents[2]
SANDBOX = Path(os.environ.get("DOCUMENTED_SANDBOX", "."))

# absolute paths of the pages, which are the user's own
_DATA = re.compile(r"(?<![\w.])/(?=(?:data|scans|brains)\b)")

# random weights of the fewest channels; twelve blocks, since tokens of the twelfth are used
SMALL_ENCODER: dict[str, object] = {
    "weights": "random",
    "backbone": "vit_tiny",
    "random_start::embed_dim": 64,
    "random_start::num_heads": 1,
}
SHORT_SEGMENTATION: dict[str, object] = {"epochs": 1, "iterations_per_epoch": 1, "batch_size": 1, **SMALL_ENCODER}
# the later stages have the encoder of the one before
SHORT_STAGE: dict[str, object] = {
    "epochs": 1,
    "iterations_per_epoch": 1,
    "batch_size": 2,
    "export_interval": 1,
    # parts of the length
    "warmup_iterations": 0,
    "freeze_last_layer_iterations": 0,
    "teacher_temp_warmup": 0,
}
SHORT_PRETRAINING = {**SHORT_STAGE, **SMALL_ENCODER}
# by the bundle and the configuration
SHORTER: dict[tuple[str, str], dict[str, object]] = {
    ("seg", "train"): SHORT_SEGMENTATION,
    ("pretrain", "train"): SHORT_PRETRAINING,
    ("pretrain", "stage2_gram"): SHORT_STAGE,
    ("pretrain", "stage3_highres"): SHORT_STAGE,
    ("benchmark", "classify"): {**SMALL_ENCODER, "n_resamples": 50},
    ("benchmark", "slides"): {**SMALL_ENCODER, "probes::3::epochs": 2, "n_resamples": 50},
    ("benchmark", "patches"): SMALL_ENCODER,
    ("benchmark", "segment"): {**SMALL_ENCODER, "iterations": 1, "slices_per_batch": 1, "n_resamples": 50},
    ("benchmark", "sweep"): {
        "models": "[{'backbone': 'vit_tiny', 'weights': 'random', 'random_start': {'embed_dim': 64, 'num_heads': 1}, "
        "'intensity': 'picture'}]",
        "n_resamples": 50,
    },
}
# of our own commands
SHORTER_COMMANDS: dict[str, dict[str, object]] = {
    "phantom": {"n_ct": 1, "n_mr": 0, "n_val_ct": 0, "n_val_mr": 0},
    "cross_validate": {**SHORT_SEGMENTATION, "folds": 2, "n_resamples": 50},
}

# (what the command looks like, why it cannot run here); at most ten
EXCEPTIONS: list[tuple[str, str]] = [
    (r"^pip (install|check)", "installs from a package registry"),
    (
        r"^make (demo|test|test-slow|lint|lint types|build|lock|audit|sbom|wheel)?$",
        "runs whole suites; CI and the demo run them",
    ),
    (r"monai\.bundle download(_large_files)? ", "fetches from the address of a release; test_release.py serves one"),
    (r"monailabel\.main start_server", "needs MONAI Label's own environment; test_monai_label.py starts it"),
    (r"^cp .*/monailabel/sample-apps/monaibundle app$", "the same"),
    (r"inference_trt\.json", "needs TensorRT and a GPU"),
]


def main(program: str, arguments: list[str]) -> int:
    typed = " ".join([program, *arguments])
    reason = next((why for pattern, why in EXCEPTIONS if re.search(pattern, typed)), None)
    started = time.perf_counter()
    said: list[str] = []
    if reason is None:
        done = subprocess.run(_command(program, arguments), check=False, capture_output=True, encoding="utf-8")
        print(done.stdout, end="", flush=True)
        print(done.stderr, end="", file=sys.stderr, flush=True)
        status = done.returncode
        if "monai.bundle" in arguments and "run" in arguments:
            said = warnings_said(done.stdout + done.stderr)
    else:
        status = check_exception(program, arguments)
    seconds = time.perf_counter() - started
    line = {"typed": typed, "status": status, "seconds": seconds, "exception": reason, "warnings": said}
    with open(os.environ["DOCUMENTED_LOG"], "a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    return status


def _command(program: str, arguments: list[str]) -> list[str]:
    given = [_existing_teacher(_DATA.sub(f"{SANDBOX}/", argument)) for argument in arguments]
    given = [re.sub(r"^--nproc_per_node=\d+$", "--nproc_per_node=2", argument) for argument in given]
    _put_aside_an_alternative(given)
    if program == "meddino":
        program, given = "python", ["-m", "meddino_components", *given]
    if program not in ("python", "torchrun"):
        return [program, *given]
    if program == "torchrun":
        given = ["-m", "torch.distributed.run", "--standalone", *given]
    return [os.environ["PYTHON_EXEC"], *given, *_shorter(given)]


def _existing_teacher(argument: str) -> str:
    """A short run exports its teachers at other iterations than the published one."""
    path = Path(argument)
    if re.fullmatch(r"teacher_\d+\.safetensors", path.name) and not path.exists():
        return str(max(path.parent.glob("teacher_*.safetensors")))
    return argument


_FOLDER_OF_STAGE = {"train": "stage1", "stage2_gram": "stage2", "stage3_highres": "stage3"}


def _put_aside_an_alternative(arguments: list[str]) -> None:
    """Pages show several ways to train into the default folder: each begins where no other was run."""
    if "training" not in arguments or {"--output_dir", "--resume"} & set(arguments):
        return
    name = Path(re.findall(r"[\w./-]+\.json", arguments[arguments.index("--config_file") + 1])[0]).resolve()
    output = name.parents[1] / "output" / _FOLDER_OF_STAGE.get(name.stem if "pretrain" in str(name) else "", "")
    if output.exists():
        output.rename(SANDBOX / f"earlier_{time.time_ns()}")


def _shorter(arguments: list[str]) -> list[str]:
    """Options that make a run short, but for those that are typed."""
    if "meddino_components" in arguments:
        words = arguments[arguments.index("meddino_components") + 1 :]
        settings = SHORTER_COMMANDS.get(" ".join(words[:2])) or SHORTER_COMMANDS.get(words[0] if words else "", {})
    elif "monai.bundle" in arguments and "run" in arguments:
        settings = _of_configurations(arguments)
    else:
        return []
    more = {key: value for key, value in settings.items() if f"--{key}" not in arguments}
    # weights and networks that are typed say what they are
    if {"--weights", "--network_def"} & set(arguments):
        more = {key: value for key, value in more.items() if key not in SMALL_ENCODER}
    return [text for key, value in more.items() for text in (f"--{key}", str(value))]


def _of_configurations(arguments: list[str]) -> dict[str, object]:
    files = arguments[arguments.index("--config_file") + 1]
    names = re.findall(r"([\w./-]+)\.json", files)
    configs = Path(names[0]).resolve().parent
    return SHORTER.get((_kind_of_bundle(configs), Path(names[0]).name), {})


def _kind_of_bundle(configs: Path) -> str:
    """What a bundle's network is for: segmentation by its metadata, else by its name."""
    metadata = json.loads((configs / "metadata.json").read_text(encoding="utf-8"))
    if metadata["network_data_format"]["outputs"]["pred"]["format"] == "segmentation":
        return "seg"
    return str(metadata["name"].rpartition("_")[2])


def check_exception(program: str, arguments: list[str]) -> int:
    """0 where what the command names exists: extras, targets, files, options, keys of a configuration."""
    if program == "pip":
        problems = _problems_of_pip(arguments)
    elif program == "make":
        text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        problems = [f"no target {name}" for name in arguments if not re.search(rf"^{name}:", text, re.MULTILINE)]
    elif program == "cp":
        problems = [] if _is_in_tests('"monailabel" / "sample-apps" / "monaibundle"') else ["no test copies this app"]
    elif "monailabel.main" in arguments:
        problems = _problems_of_server(arguments)
    elif "run" in arguments:
        problems = [f"no key {key}" for key in _unknown_keys(arguments)]
    else:
        problems = _problems_of_download(arguments)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _problems_of_pip(arguments: list[str]) -> list[str]:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    extras = [
        name
        for item in arguments
        for found in re.findall(r"(?:^\.|^meddino-.*\.whl)\[([\w,]+)\]", item)
        for name in found.split(",")
    ]
    problems = [f"no extra {name}" for name in extras if not re.search(rf"^{name} = \[", text, re.MULTILINE)]
    files = [after for before, after in itertools.pairwise(arguments) if before in ("-r", "-c")]
    problems += [f"no file {name}" for name in files if not (REPOSITORY / name).is_file()]
    # versions of MONAI Label are those that its test installs
    pinned = [item for item in arguments if "==" in item]
    return problems + [f"no test installs {item}" for item in pinned if not _is_in_tests(item)]


def _problems_of_server(arguments: list[str]) -> list[str]:
    """Bundles that are not below the app, and options that no test of a server gives."""
    models = re.findall(r"models ([\w,]+)", " ".join(arguments))[0].split(",")
    problems = [
        f"no bundle {name}" for name in models if not Path("app/model", name, "configs/metadata.json").is_file()
    ]
    return problems + [f"no test gives {item}" for item in arguments if item[:2] == "--" and not _is_in_tests(item)]


def _problems_of_download(arguments: list[str]) -> list[str]:
    """Options that the command has not; a release that the bundle is not. The one here stands for what is fetched."""
    from monai import bundle

    command = arguments[arguments.index("monai.bundle") + 1]
    taken = inspect.signature(getattr(bundle, command)).parameters
    given = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    problems = [f"{command} has no option {key}" for key in given if key.removeprefix("--") not in taken]
    if command == "download_large_files":
        return problems + ([] if Path(given["--bundle_path"], "configs").is_dir() else ["no such bundle"])
    metadata = json.loads(
        (REPOSITORY / "bundles" / given["--name"] / "configs/metadata.json").read_text(encoding="utf-8")
    )
    archive = f"{given['--name']}_v{metadata['version']}.zip"
    if not given["--url"].endswith(f"/{archive}"):
        problems.append(f"the version is {metadata['version']}")
    shutil.unpack_archive(archive, given["--bundle_dir"])
    return problems


def _is_in_tests(text: str) -> bool:
    files = itertools.chain(*((REPOSITORY / "tests" / name).glob("*.py") for name in ("support", "end_to_end")))
    return any(text in path.read_text(encoding="utf-8") for path in files)


def _unknown_keys(arguments: list[str]) -> list[str]:
    files = re.findall(r"[\w./-]+\.json", arguments[arguments.index("--config_file") + 1])
    known = {key for name in files for key in json.loads(Path(name).read_text(encoding="utf-8"))}
    typed = {item.removeprefix("--") for item in arguments if item.startswith("--")} - {"config_file", "meta_file"}
    return sorted(typed - known)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
