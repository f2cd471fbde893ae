"""What `Encoding` passes on: where embeddings are kept, and how they are computed."""

from meddino_components.probing import Encoding, encoding


def test_its_settings_reach_the_encoding(monkeypatch, tmp_path):
    calls = []
    for name in ("embed", "embed_image_set"):
        monkeypatch.setattr(encoding, name, lambda *given, **settings: calls.append((given, settings)))
    own = {"cache_dir": tmp_path, "batch_size": 3, "num_workers": 1, "progress": False}
    settings = Encoding(**own)
    settings.embed("set", "encoder", size_px=32)
    settings.map("samples", "encoder", size_px=48, kinds=("levels",))
    assert calls == [
        (("set", "encoder"), {"size_px": 32, **own}),
        (("samples", "encoder"), {"size_px": 48, "kinds": ("levels",), **own}),
    ]
