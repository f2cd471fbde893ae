"""Bundles that would run code, reach for files or take another's place: one way each, in one file each.

Whatever runs writes a file `ran` into the working directory.
"""

import json

from command_lines import AMOS

RUN = "open('ran', 'w')"
CONFIG = "configs/laptop.json"
META = "configs/metadata.json"
LOGGING = "configs/logging.conf"
LARGE = "large_files.yml"
_HASH = "a" * 64


def members_of(bundle=AMOS):
    """Content of each file that a release of a bundle without weights and components holds."""
    files = [bundle / "LICENSE", *(bundle / "configs").iterdir(), *(bundle / "docs").iterdir()]
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in files}


def with_entries(file, /, **entries):
    """A change of a JSON file; `a__b` stands for the key `a::b`."""

    def change(members):
        content = json.loads(members.get(file, b"{}"))
        content.update({key.replace("__", "::") if not key.startswith("_") else key: entries[key] for key in entries})
        members[file] = json.dumps(content).encode()

    return change


def with_file(name, content):
    def change(members):
        members[name] = content if isinstance(content, bytes) else content.encode()

    return change


def with_text(name, old, new):
    def change(members):
        assert old.encode() in members[name]
        members[name] = members[name].replace(old.encode(), new.encode())

    return change


def config(value, name=CONFIG):
    return with_entries(name, epochs=value)


def component(target, **arguments):
    return config({"_target_": target, **arguments})


def large_file(**entry):
    given = {"path": "models/model.pt", "url": "https://example.org/m.pt", "hash_val": _HASH, "hash_type": "sha256"}
    given |= entry
    return with_file(LARGE, "large_files:\n- " + "\n  ".join(f"{key}: {value}" for key, value in given.items()) + "\n")


def _deep(value, levels=3000):
    return '{"a":' * levels + json.dumps(value) + "}" * levels


# id: (change, file that is named, part of what is said of it)
EXPRESSIONS = {
    "run_cmd in a list": "$monai.utils.run_cmd(['touch', 'ran'])",
    "torch.load": "$torch.load('model.pt', weights_only=False)",
    "torch.load, plain": "$torch.load('model.pt')",
    "torch.hub": "$torch.hub.load('owner/name', 'model')",
    "torch.jit": "$torch.jit.load('model.ts')",
    "torch.export": "$torch.export.load('model.pt2')",
    "torch.ops": "$torch.ops.load_library('evil.so')",
    "torch.classes": "$torch.classes.load_library('evil.so')",
    "cpp_extension": "$torch.utils.cpp_extension.load_inline('x', '')",
    "np.load": "$np.load('x.npy', allow_pickle=True)",
    "numpy.ctypeslib": "$numpy.ctypeslib.load_library('evil', '.')",
    "numpy.f2py": "$numpy.f2py.compile('x')",
    "os of torch": "$torch.os.system('touch ran')",
    "os of monai": "$monai.utils.misc.os.system('touch ran')",
    "subprocess of torch": "$torch.utils.collect_env.subprocess.run(['touch', 'ran'])",
    "a parser": "$monai.bundle.ConfigParser({'a': '$1'}).get_parsed_content('a')",
    "a bundle": "$monai.bundle.run(config_file='other.json')",
    "apps": "$monai.apps.download_and_extract('https://example.org/x.zip')",
    "import": "$import os",
    "import of two": "$import os, sys",
    "from import": "$from os import system",
    "import of a bundle's module": "$import docs.evil",
    "import behind": f"$1 if {RUN} else 2",
    "__import__": "$__import__('os').system('touch ran')",
    "eval": f'$eval("{RUN}")',
    "exec": f'$exec("{RUN}")',
    "open": f"${RUN}.close()",
    "compile": "$compile('1', 'x', 'eval')",
    "getattr": "$getattr(torch, 'os')",
    "globals": "$globals()['torch']",
    "breakpoint": "$breakpoint()",
    "subclasses": "$().__class__.__base__.__subclasses__()",
    "dunder of a reference": "$@device.__class__.__init__.__globals__['os']",
    "references": "$__local_refs.clear()",
    "format": "$'{0.__class__.__init__.__globals__}'.format(@device)",
    "format_map": "$'{a.__class__}'.format_map({'a': 1})",
    "f-string": f'$f"{{{RUN}}}"',
    "percent": "$'%s' % @device",
    "lambda": f"$(lambda: {RUN})()",
    "lambda not called": f"$lambda engine: {RUN}",
    "lambda's default": f"$lambda x={RUN}: x",
    "lambda that hides a module": "$lambda torch: torch.item().run",
    "lambda that hides a function": "$lambda len: len(1)",
    "list comprehension": f"$[{RUN} for _ in (1,)]",
    "generator": f"$sum(1 for _ in [{RUN}])",
    "walrus": f"$(x := {RUN})",
    "starred": "$[*@device]",
    "two stars": "$dict(**@device)",
    "index": f"$@device[{RUN}]",
    "a call of a reference": "$@device('ran')",
    "a call of an item": "$@device['a']('ran')",
    "a module": "$torch",
    "a module as an argument": "$dict([('a', torch)])",
    "other letters": "$\uff4f\uff50\uff45\uff4e('ran', 'w')",
    "a reference in quotes": "$'@device[0](open(1))'",
    "a relative reference": "$@##device",
    "a relative reference, old": "$'@#device'",
    "a semicolon": f"$1; {RUN}",
    "a line": "$1\nimport os",
    "no expression": "$1 +",
    "a power": "$9**9**9**9",
    "too deep": "$" + "-" * 1900 + "1",
    "too long": "$" + "1+" * 1500 + "1",
    "another machine": "$torch.distributed.init_process_group('gloo', 'tcp://evil:1')",
    "another machine by name": "$torch.distributed.init_process_group(backend='gloo', init_method='tcp://evil:1')",
    "await": "$await @device",
}
TARGETS = {
    "run_cmd": "run_cmd",
    "run_cmd by path": "monai.utils.run_cmd",
    "os.system": "os.system",
    "os of monai": "monai.utils.misc.os.system",
    "os of ours": "meddino_components.bundle.release_checks.os.system",
    "subprocess of ours": "meddino_components.bundle.release_checks.subprocess.run",
    "a command of ours": "meddino_components.bundle.segment",
    "builtins": "builtins.eval",
    "torch.load": "torch.load",
    "torch.hub": "torch.hub.load",
    "a parser": "ConfigParser",
    "another bundle": "monai.bundle.run",
    "download": "download_and_extract",
    "download_url": "monai.apps.download_url",
    "Lambda": "Lambda",
    "Lambdad": "monai.transforms.Lambdad",
    "a reader of pickles": "NumpyReader",
    "LoadImage": "LoadImaged",
    "SaveImage": "SaveImaged",
    "a loader of checkpoints": "CheckpointLoader",
    "a loss that downloads": "PerceptualLoss",
    "a network that downloads": "FlexibleUNet",
    "a pickle's": "pickle_operations",
    "optional_import": "optional_import",
    "a name in a module of transforms": "monai.transforms.spatial.array.np.load",
    "an expression": "$torch.hub.load",
    "a reference": "@device",
    "a macro": "%device",
    "a bundle's own": "docs.evil.Component",
    "with a space": "Compose ",
}
CONFIGURATIONS = {
    **{f"expression: {name}": (config(text), CONFIG, "the expression") for name, text in EXPRESSIONS.items()},
    **{f"target: {name}": (component(text), CONFIG, "the component") for name, text in TARGETS.items()},
    "target: no text": (component({"_target_": "os.system"}), CONFIG, "the component {'_target_'"),
    "target: null": (component(None), CONFIG, "the component None"),
    "target: in a list": (config([1, [{"a": {"_target_": "run_cmd"}}]]), CONFIG, "'run_cmd'"),
    "target: of an overlay": (with_entries(CONFIG, network_def___target_="os.system"), CONFIG, "'os.system'"),
    "target: of an overlay, old": (with_entries(CONFIG, **{"network_def#_target_": "os.system"}), CONFIG, "os.system"),
    "target: added": (with_entries(CONFIG, **{"+network_def": {"_target_": "run_cmd"}}), CONFIG, "'run_cmd'"),
    "expression: in a key's description": (component("Compose", _desc_="$import os"), CONFIG, "$import os"),
    "expression: disabled": (component("Compose", _disabled_=f"${RUN}"), CONFIG, "uses open"),
    "expression: requires": (component("Compose", _requires_=["@device", f"${RUN}"]), CONFIG, "uses open"),
    "expression: escaped": (with_file(CONFIG, '{"epochs": "\\u0024import os"}'), CONFIG, "$import os"),
    "expression: imports": (with_entries(CONFIG, imports=["$import os"]), CONFIG, "$import os"),
    "expression: initialize": (with_entries(CONFIG, initialize=[f"${RUN}"]), CONFIG, "uses open"),
    "expression: finalize": (with_entries(CONFIG, finalize=f"${RUN}"), CONFIG, "uses open"),
    "expression: run": (with_entries("configs/inference.json", run=[f"${RUN}"]), "configs/inference.json", "uses open"),
    "mode: debugger": (component("Compose", _mode_="debug"), CONFIG, "the mode 'debug'"),
    "mode: expression": (component("Compose", _mode_="$'debug'"), CONFIG, "the mode"),
    "mode: list": (component("Compose", _mode_=["debug"]), CONFIG, "the mode ['debug']"),
    "key: debugger": (component("Compose", _debug_=True), CONFIG, "the key '_debug_'"),
    "key: metadata": (with_entries(CONFIG, _meta_={"a": 1}), CONFIG, "the key '_meta_'"),
    "macro: file": (config("%docs/x.json::a"), CONFIG, "'%docs/x.json::a' copies from another file"),
    "macro: file, old": (config("%docs/x.json#a"), CONFIG, "copies from another file"),
    "macro: above": (config("%../x.json"), CONFIG, "copies from another file"),
    "macro: absolute": (config("%/tmp/x.yaml::a"), CONFIG, "copies from another file"),
    "macro: same folder": (config("%metadata.json::name"), CONFIG, "copies from another file"),
    "macro: relative": (config("%##device"), CONFIG, "copies from another file or a relative place"),
    "reference: relative": (config({"a) or open(1": "@##device"}), CONFIG, "is a relative reference"),
    "hash of a .pt2": (with_entries(CONFIG, model_sha256=_HASH), CONFIG, "only its user states the hash"),
    "hash of weights": (with_entries(CONFIG, weights_sha256=_HASH), CONFIG, "only its user states the hash"),
    "hash in a .pt2's place": (with_entries(CONFIG, network_def__sha256=_HASH), CONFIG, "only its user states"),
    "json: twice": (with_file(CONFIG, f'{{"a": "${RUN}", "a": 1}}'), CONFIG, "a key occurs twice"),
    "json: too deep": (with_file(CONFIG, _deep("$import os")), CONFIG, "nested too deeply"),
    "json: list": (with_file(CONFIG, '["$import os"]'), CONFIG, "expected a JSON object"),
    "json: other letters": (with_file(CONFIG, '{"a": "$import os"}'.encode("utf-16")), CONFIG, "cannot be read"),
    "metadata: expression": (with_entries(META, description=f"${RUN}"), META, "would be evaluated"),
    "metadata: import": (with_entries(META, references=["$import os"]), META, "'$import os' would be evaluated"),
    "metadata: macro": (with_entries(META, task="%docs/x.json::a"), META, "would be evaluated"),
    "metadata: target": (with_entries(META, supported_apps={"_target_": "run_cmd"}), META, "the key '_target_'"),
    "metadata: side": (with_text(META, '"16*n"', "\"[].append(1)\""), META, "spatial_shape has the side"),
    "metadata: side, power": (with_text(META, '"16*n"', '"9**9**9"'), META, "spatial_shape has the side '9**9**9'"),
    "metadata: name": (with_entries(META, name="../../evil"), META, "becomes the name of a file"),
    "metadata: version": (with_entries(META, version="1/../../x"), META, "becomes the name of a file"),
    "logging: class": (with_text(LOGGING, "StreamHandler", "FileHandler"), LOGGING, "class='FileHandler'"),
    "logging: class, code": (with_text(LOGGING, "StreamHandler", "os.system"), LOGGING, "class='os.system'"),
    "logging: args": (with_text(LOGGING, "(sys.stderr,)", f"({RUN},)"), LOGGING, "args="),
    "logging: args, os": (with_text(LOGGING, "(sys.stderr,)", "(os.system('touch ran'),)"), LOGGING, "args="),
    "logging: kwargs": (with_text(LOGGING, "args=", f"kwargs={{'a': {RUN}}}\nargs="), LOGGING, "kwargs="),
    "logging: default": (with_file(LOGGING, f"[DEFAULT]\nargs=({RUN},)\n"), LOGGING, "a section DEFAULT"),
    "logging: section": (with_text(LOGGING, "[formatter_plain]", "[evil]"), LOGGING, "a section 'evil'"),
    "logging: no INI": (with_file(LOGGING, "no section"), LOGGING, "cannot be read"),
}  # fmt: skip
# what is never read by `segment`, which runs a folder that is there
CONTENTS = {
    "file: deeper": (with_file("configs/sub/x.json", '{"a": "$import os"}'), "configs/sub/x.json", "no place"),
    "file: YAML configuration": (with_file("configs/x.yaml", "a: $import os"), "configs/x.yaml", "no place"),
    "file: YAML tag": (with_file("configs/x.yml", "!!python/object/apply:os.system [x]"), "configs/x.yml", "no place"),
    "file: JSON in docs": (with_file("docs/x.json", '{"a": "$import os"}'), "docs/x.json", "no place"),
    "file: upper case": (with_file("configs/X.JSON", '{"a": "$import os"}'), "configs/X.JSON", "no place"),
    "file: module": (with_file("evil.py", RUN), "evil.py", "no place"),
    "file: package": (with_file("docs/__init__.py", RUN), "docs/__init__.py", "no place"),
    "file: another's package": (with_file("nibabel/__init__.py", RUN), "nibabel/__init__.py", "no place"),
    "file: sitecustomize": (with_file("sitecustomize.py", RUN), "sitecustomize.py", "no place"),
    "file: compiled": (with_file("docs/x.pyc", "x"), "docs/x.pyc", "no place"),
    "file: library": (with_file("models/x.so", "x"), "models/x.so", "no place"),
    "file: path file": (with_file("x.pth", "import os"), "x.pth", "no place"),
    "file: exported": (with_file("models/model.pt2", "x"), "models/model.pt2", "no place"),
    "file: ONNX": (with_file("models/model.onnx", "x"), "models/model.onnx", "no place"),
    "file: TorchScript": (with_file("models/model.ts", "x"), "models/model.ts", "no place"),
    "file: TensorRT engine": (with_file("models/model.pt.plan", "x"), "models/model.pt.plan", "no place"),
    "file: pickle": (with_file("models/x.pkl", "x"), "models/x.pkl", "no place"),
    "file: archive": (with_file("docs/x.zip", "x"), "docs/x.zip", "no place"),
    "file: page": (with_file("docs/x.html", "<script>"), "docs/x.html", "no place"),
    "file: shell": (with_file("docs/run.sh", "touch ran"), "docs/run.sh", "no place"),
    "file: hidden": (with_file("docs/.x.md", "x"), "docs/.x.md", "no place"),
    "file: without a suffix": (with_file("Makefile", "all:\n\ttouch ran"), "Makefile", "no place"),
    "file: a new line in its name": (with_file("docs/a\nb.md", "x"), "docs/a\\nb.md", "no place"),
    "file: no text": (with_file("docs/x.md", b"\x80\x00"), "docs/x.md", "is no text"),
    "file: no picture": (with_file("docs/x.png", "<svg onload=1>"), "docs/x.png", "is no PNG"),
    "file: no hash": (with_file("models/x.pt.sha256", "$(touch ran)"), "models/x.pt.sha256", "is no SHA-256"),
    "file: case": (with_file("docs/readme.md", "x"), "docs/readme.md", "every system keeps"),
    "component: more": (with_file("meddino_components/evil.py", RUN), "meddino_components/evil.py", "no file of"),
    "component: changed": (
        with_file("meddino_components/errors.py", RUN),
        "meddino_components/errors.py",
        "is not that of",
    ),
    "component: compiled": (with_file("meddino_components/x.so", "x"), "meddino_components/x.so", "no place"),
    "path: home": (config("~/.bashrc"), CONFIG, "names a path of one machine"),
    "path: absolute": (config("$@bundle_root or '/etc/passwd'"), CONFIG, "names a path of one machine"),
    "path: above": (config("$@bundle_root + '/../../.bashrc'"), CONFIG, "names a folder above"),
    "large files: tag": (with_file(LARGE, "!!python/object/apply:os.system ['touch ran']"), LARGE, "cannot be read"),
    "large files: tag inside": (large_file(path="!!python/name:os.system"), LARGE, "cannot be read"),
    "large files: expression": (large_file(path="$import os"), LARGE, "path is '$import os'"),
    "large files: above": (large_file(path="../../x.pt"), LARGE, "path is '../../x.pt'"),
    "large files: code": (large_file(path="models/evil.py"), LARGE, "path is 'models/evil.py'"),
    "large files: exported": (large_file(path="models/model.pt2"), LARGE, "path is 'models/model.pt2'"),
    "large files: open channel": (large_file(url="http://example.org/m.pt"), LARGE, "url is"),
    "large files: local": (large_file(url="file:///etc/passwd"), LARGE, "url is"),
    "large files: no hash": (large_file(hash_val='""'), LARGE, "hash_val is ''"),
    "large files: weak hash": (large_file(hash_type="md5"), LARGE, "hash_type is 'md5'"),
    "large files: more": (large_file(progress="true"), LARGE, "has other keys"),
    "large files: other": (with_file(LARGE, "run: $import os"), LARGE, "expected a list large_files"),
}  # fmt: skip
