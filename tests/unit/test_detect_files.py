from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from pipeline.adapters.detectors import make_detector, models_folder
from pipeline.adapters.model_files import YUNET, ModelFile, obtain
from pipeline.errors import ConfigurationError, TransientError
from pipeline.settings import Settings
from tests.shared import shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"the weights"


@contextmanager
def serving(content: bytes | None) -> Iterator[ModelFile]:
    """A web server on loopback with one file (None: 404)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/file"
            yield ModelFile(name="file.onnx", url=url, sha256=hashlib.sha256(content or CONTENT).hexdigest(), timeout_s=5)
        finally:
            server.shutdown()
            thread.join()


def nowhere() -> ModelFile:
    """A file at an address that refuses connections: its server is gone."""
    with serving(CONTENT) as file:
        return file


def settings(tmp_path: Path, **values: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, **values})


def test_a_download_is_kept_and_not_repeated(tmp_path: Path) -> None:
    with serving(CONTENT) as file:
        assert obtain(file, tmp_path / "models") == CONTENT
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["file.onnx"]
    assert obtain(file, tmp_path / "models") == CONTENT


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.onnx").write_bytes(CONTENT[:3])
    with serving(CONTENT) as file:
        assert obtain(file, tmp_path) == CONTENT
    assert (tmp_path / "file.onnx").read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_not_kept(tmp_path: Path) -> None:
    with serving(b"something else") as file, pytest.raises(TransientError, match="another SHA-256"):
        obtain(replace(file, sha256=YUNET.sha256), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_none_is_said(tmp_path: Path) -> None:
    with serving(None) as file, pytest.raises(TransientError, match="HTTP 404"):
        obtain(file, tmp_path)
    with pytest.raises(TransientError, match="cannot be downloaded"):
        obtain(nowhere(), tmp_path)


def test_a_folder_that_cannot_be_written_costs_only_the_copy(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with serving(CONTENT) as file:
        assert obtain(file, tmp_path / "models") == CONTENT


def test_auto_takes_yunet_where_it_can_be_downloaded(tmp_path: Path) -> None:
    said: list[str] = []
    with serving(shared_path("models/detect/yunet_n_dynamic.onnx").read_bytes()) as file:
        detector = make_detector(settings(tmp_path), said.append, yunet=file)
    assert detector.name == "yunet-n@104ee26c"
    assert said == ["detector: yunet-n@104ee26c"]
    assert (models_folder(tmp_path) / file.name).exists()


def test_auto_falls_back_to_mtcnn_and_says_why(tmp_path: Path) -> None:
    said: list[str] = []
    assert make_detector(settings(tmp_path), said.append, yunet=nowhere()).name == "mtcnn@1.0.0"
    assert len(said) == 1
    assert "mtcnn" in said[0]
    assert "HEADCOUNT_DETECTOR_MODEL" in said[0]


def test_the_named_file_is_taken(tmp_path: Path) -> None:
    path = shared_path("models/detect/yunet_s_640_640.onnx")
    assert make_detector(settings(tmp_path, detector="yunet", detector_model=path), print, yunet=nowhere()).name == "yunet-s@8f2383e4"


def test_yunet_that_cannot_be_had_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HEADCOUNT_DETECTOR=yunet"):
        make_detector(settings(tmp_path, detector="yunet"), print, yunet=nowhere())


@pytest.mark.parametrize("detector", ["auto", "yunet"])
def test_a_named_file_that_is_no_model_is_not_passed_over(tmp_path: Path, detector: str) -> None:
    named = settings(tmp_path, detector=detector, detector_model=tmp_path / "model.onnx")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        make_detector(named, print, yunet=nowhere())
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigurationError, match="not a YuNet model"):
        make_detector(named, print, yunet=nowhere())


def test_the_other_detectors_need_no_file(tmp_path: Path) -> None:
    names = [make_detector(settings(tmp_path, detector=name), print, yunet=nowhere()).name for name in ("mtcnn", "haar")]
    assert [name.split("@")[0] for name in names] == ["mtcnn", "haar"]
