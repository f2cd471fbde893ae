"""Paths, folders, checksums, and the hub behind a server of its own on 127.0.0.1."""

import hashlib
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from command_lines import run_preloaded

from meddino_components.checkpoints import resolve, sha256_of
from meddino_components.checkpoints.source import choose_weight_file, pinned_address, verified_sha256
from meddino_components.errors import InputError

pytest.importorskip("huggingface_hub", reason="needs the extra meddino[hub]")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORIES = {
    "acme/bundle": {"README.md": b"text", "model.pt": b"a pickle", "model.safetensors": b"tensors"},
    "acme/teacher": {"weights/teacher.pth": b"a teacher"},
}


class HubHandler(BaseHTTPRequestHandler):
    """The part of the hub's HTTP interface that a download needs."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.partition("?")[0]
        for repository, files in REPOSITORIES.items():
            if path.startswith(f"/api/models/{repository}"):
                siblings = [{"rfilename": name} for name in files]
                return self.send(json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode())
            head, _, name = path.partition("/resolve/main/")
            if head == f"/{repository}" and name in files:
                return self.send(files[name])
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def send(self, body):
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        """Stay silent."""


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SCRIPT = """
import sys
# it reads its settings when it is imported: once more, for the server of processes has done so
for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
    del sys.modules[name]
from meddino_components.checkpoints.source import resolve
from meddino_components.errors import InputError
for source in sys.argv[1:]:
    try:
        print(resolve(source).read_text(encoding="utf-8"))
    except InputError as error:
        print("InputError", error)
"""


@pytest.fixture
def resolve_elsewhere(monkeypatch):
    """Resolve in a process of its own, whose settings of the hub are those given alone."""
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)

    def resolve_all(sources, **environment):
        variables = {"NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
        done = run_preloaded(sys.executable, "-c", SCRIPT, *sources, variables=variables, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return resolve_all


def test_hub_then_offline_from_the_cache(hub, resolve_elsewhere, tmp_path):
    cache = {"HF_HOME": str(tmp_path / "cache")}
    sources = [
        "hf://acme/bundle",
        "hf://acme/bundle/model.pt",
        "hf://acme/teacher",
        "hf://acme/teacher/weights/teacher.pth",
    ]
    contents = ["tensors", "a pickle", "a teacher", "a teacher"]
    absent = ["hf://acme/nothing", "hf://acme/bundle/nothing.pt"]
    *online, no_repository, no_file = resolve_elsewhere([*sources, *absent], HF_ENDPOINT=hub, **cache)
    assert online == contents
    assert no_repository.startswith("InputError hf://acme/nothing: ")
    assert "check the name" in no_repository
    assert no_file.startswith("InputError hf://acme/bundle/nothing.pt: ")

    *offline, never_seen = resolve_elsewhere([*sources, absent[0]], HF_ENDPOINT=hub, HF_HUB_OFFLINE="1", **cache)
    assert offline == contents
    assert "HF_HUB_OFFLINE" in never_seen


def test_what_the_hub_gave_is_named_by_its_commit(tmp_path):
    taken = tmp_path / "models--acme--bundle" / "snapshots" / COMMIT / "sub" / "model.pt"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"x")
    address = f"hf://acme/bundle@{COMMIT}/sub/model.pt"
    for source in ("hf://acme/bundle", "hf://acme/bundle@main/sub/model.pt", address):
        assert pinned_address(source, taken) == address
    assert pinned_address("meddinov3-b", taken) == f"hf://ricklisz123/MedDINOv3-ViTB-16-CT-3M@{COMMIT}/sub/model.pt"
    assert pinned_address(str(taken), taken) is None


def test_hub_that_is_down(resolve_elsewhere, tmp_path):
    (answer,) = resolve_elsewhere(["hf://acme/bundle"], HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    assert answer.startswith("InputError hf://acme/bundle: not found on the hub")


def test_hub_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"install the extra 'hub'"):
        resolve("hf://acme/bundle")


@pytest.mark.parametrize("source", ["hf://acme", "hf://", "hf:///x", "hf://acme/"])
def test_malformed_hub_source(source):
    with pytest.raises(InputError, match="expected hf://owner/name"):
        resolve(source)


def test_path_and_folder(tmp_path):
    weights = tmp_path / "mit Leerzeichen ü.pth"
    weights.write_bytes(b"x")
    assert resolve(weights) == resolve(str(weights)) == weights
    assert resolve(tmp_path) == weights
    with pytest.raises(InputError, match="no such file"):
        resolve(tmp_path / "nothing.pth")


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a.pth", "b.safetensors"], "b.safetensors"),
        (["a.pt", "b.pth"], "b.pth"),
        (["a.safetensors", "model.safetensors"], "model.safetensors"),
    ],
)
def test_choice_of_file(names, chosen):
    assert choose_weight_file(names, where="here") == chosen


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.pth", "b.pth"], "several weight files"),
        (["README.md"], "holds no"),
        ([], "found nothing"),
        (["model-00001-of-00002.safetensors", "model.safetensors.index.json"], "split over several files"),
    ],
)
def test_choice_that_cannot_be_made(names, message):
    with pytest.raises(InputError, match=f"here.*{message}"):
        choose_weight_file(names, where="here")


def test_sha256(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert sha256_of(path) == verified_sha256(path, digest.upper()) == digest
    with pytest.raises(InputError, match=rf"weights\.pt: SHA-256 is {digest}, expected 00"):
        verified_sha256(path, "00")
    sidecar = tmp_path / "weights.pt.sha256"
    sidecar.write_text(f"{digest}  weights.pt\n")
    assert verified_sha256(path) == digest
    for other in (f"{'0' * 64}  weights.pt\n", ""):
        sidecar.write_text(other)
        with pytest.raises(InputError, match="next to it says"):
            verified_sha256(path)
