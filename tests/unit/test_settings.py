from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "hunter2%40:/ 'x"


@pytest.fixture(autouse=True)
def _only_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine happens to set must not decide a test."""
    import os  # noqa: PLC0415 - only to look

    for name in [name for name in os.environ if name.upper().startswith("HEADCOUNT_")]:
        monkeypatch.delenv(name)


def refused(**overrides: object) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(**overrides)
    message = str(raised.value)
    assert "\n" not in message
    assert raised.value.exit_code == 2
    return message


def write_config(folder: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    path = folder / "headcount.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.setenv("HEADCOUNT_CONFIG", str(path))


def test_the_defaults_are_usable() -> None:
    settings = load_settings()
    assert (settings.analysis_fps, settings.detector, settings.database_url) == (5.0, "auto", None)


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, monkeypatch, 'analysis_fps = 1\nlanes = 2\nsite = "mall"\n')
    monkeypatch.setenv("HEADCOUNT_LANES", "3")
    monkeypatch.setenv("HEADCOUNT_ANALYSIS_FPS", "2")
    settings = load_settings(analysis_fps=4.0, lanes=None)
    assert (settings.analysis_fps, settings.lanes, settings.site) == (4.0, 3, "mall")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_LANES", "")
    assert load_settings().lanes == Settings.model_fields["lanes"].default


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("HEADCOUNT_ANALYSIS_FSP", "; did you mean HEADCOUNT_ANALYSIS_FPS?"), ("headcount_detektor", "; did you mean HEADCOUNT_DETECTOR?")],
)
def test_an_unknown_variable_is_refused_with_the_likely_one(monkeypatch: pytest.MonkeyPatch, name: str, suggestion: str) -> None:
    monkeypatch.setenv(name, "5")
    assert refused() == f"unknown setting {name}{suggestion}"


def test_an_unknown_variable_like_no_other_is_refused_without_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADCOUNT_XYZZY", "5")
    assert refused() == "unknown setting HEADCOUNT_XYZZY"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANALYSIS_FPS", "fast"),
        ("ANALYSIS_FPS", "0"),
        ("ANALYSIS_FPS", "nan"),
        ("END_AFTER_S", "inf"),
        ("LANES", "2.5"),
        ("DETECTOR", "retina"),
        ("GENDER_UNKNOWN", "half"),
        ("GENDER_UNKNOWN", "[0.4]"),
        ("GENDER_UNKNOWN", "[0.7, 0.3]"),
        ("DETECTOR_LOW_THRESHOLD", "0.9"),
        ("CLAIM_TTL_S", "1"),
        ("HANG_S", "19"),
        ("SEGMENT_MAX_BYTES", str(2**29)),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"HEADCOUNT_{name}", value)
    assert f"HEADCOUNT_{name}" in refused()


def test_an_unknown_key_of_the_file_is_refused_with_the_likely_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, monkeypatch, "analysis_fsp = 5\n")
    assert "HEADCOUNT_ANALYSIS_FSP" in refused()
    assert "did you mean HEADCOUNT_ANALYSIS_FPS?" in refused()


def test_a_worker_does_not_seem_to_hang_while_it_waits_for_triton() -> None:
    assert "HEADCOUNT_TRITON_TIMEOUT_S" in refused(triton_url="triton:8001", triton_timeout_s=20, hang_s=60)
    assert load_settings(triton_url="triton:8001", triton_timeout_s=19, hang_s=60).hang_s == 60
    assert load_settings(triton_timeout_s=20, hang_s=60).hang_s == 60


@pytest.mark.parametrize("content", ["lanes = ", "= 3", b"\xff\xfe", "lanes = 3\nlanes = 4"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    write_config(tmp_path, monkeypatch, content)
    assert "HEADCOUNT_CONFIG" in refused()


def test_paths_are_absolute_for_processes_with_another_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(data_dir="data", detector_model="yunet.onnx")
    assert settings.data_dir == tmp_path / "data"
    assert settings.detector_model == tmp_path / "yunet.onnx"
    assert settings.model_repository is None


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        monkeypatch.setenv("HEADCOUNT_CONFIG", str(path))
        assert "HEADCOUNT_CONFIG" in refused()


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().lanes = 3  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize("value", [f'["{PASSWORD}"]', f'{{ password = "{PASSWORD}" }}', f'"{PASSWORD}'], ids=["list", "table", "open"])
def test_a_malformed_secret_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    write_config(tmp_path, monkeypatch, f"database_url = {value}\n")
    assert "hunter2" not in refused()


@effort(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=6))
def test_a_secret_shows_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    secret = "§" + password  # no text of ours holds this sign
    url = f"postgresql://user:{secret}@host/db"
    monkeypatch.setenv("HEADCOUNT_DATABASE_URL", url)
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == url
    assert "§" not in repr(settings) + str(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert "§" not in refused(lanes=65)
