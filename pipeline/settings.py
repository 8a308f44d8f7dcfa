"""Every setting once: environment `HEADCOUNT_<NAME>`, an optional TOML file (`HEADCOUNT_CONFIG`), or the default here."""

from __future__ import annotations

import difflib
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError, TomlConfigSettingsSource

from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "HEADCOUNT_"
CONFIG_VARIABLE = PREFIX + "CONFIG"

_OVERHEAD_BYTES = 64 * 2**10
_TRITON_WAITS = 3  # between two signs of life: for what it serves, for a turn, and for the answer


def _default_data_dir() -> Path:
    return Path("/var/lib/headcount") if os.geteuid() == 0 else Path(platformdirs.user_data_dir("headcount"))


class Settings(BaseSettings):
    """The settings of every process; unknown names are refused."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, allow_inf_nan=False)

    # Where things lie
    data_dir: Path = Field(default_factory=_default_data_dir, description="Everything that is kept lies below this folder.")
    database_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host/database, version 15 or later; none: the embedded one."
    )
    site: str = Field("default", min_length=1, description="The site to which new cameras belong.")
    site_timezone: str = Field("UTC", description="IANA time zone of a site that is made on the way, such as Europe/Budapest.")

    # Segments and their log
    partitions: int = Field(4, ge=1, le=4096, description="Partitions of a new embedded log.")
    kafka_bootstrap: str | None = Field(
        None, min_length=1, description="HOST:PORT of Kafka brokers, several with commas between; none: the embedded log."
    )
    kafka_topic: str = Field(
        "headcount-segments", pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="The topic of the segments; dead letters: -deadletters."
    )
    kafka_partitions: int = Field(64, ge=1, le=4096, description="Partitions that the topic is made with, or extended to.")
    kafka_replication: int = Field(3, ge=1, le=15, description="Brokers that hold each segment; all but one must have it.")
    kafka_tls: bool = Field(False, description="Talk TLS to the brokers.")  # noqa: FBT003 - a field's default
    kafka_ca_file: Path | None = Field(None, description="PEM file with the authorities to trust for the brokers; none: the system's.")
    kafka_username: str | None = Field(None, min_length=1, description="Name at the brokers; none: nobody is asked.")
    kafka_password: SecretStr | None = Field(None, description="Password at the brokers.")
    kafka_sasl: Literal["SCRAM-SHA-512", "PLAIN"] = Field("SCRAM-SHA-512", description="How the password is shown to the brokers.")
    kafka_lag_group: str = Field(
        "headcount", min_length=1, description="Every 15 s the positions are written to this group, for tools that show a group's lag."
    )
    spool_max_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="While the brokers are away a live camera's video waits on disk up to this size; the oldest goes.",
    )
    segment_target_s: float = Field(2.0, gt=0, le=30, description="A segment is closed at the first keyframe after this time.")
    segment_max_bytes: int = Field(8 * 2**20, ge=2**16, le=2**30, description="The largest segment; the log's limit follows from it.")
    segment_max_s: float = Field(30.0, gt=0, description="The longest segment of a live camera.")
    segment_max_frames: int = Field(750, ge=2, description="The longest segment of a file, in frames.")
    max_pixels: int = Field(50_000_000, ge=4096, description="Pictures with more pixels are refused before they are decoded.")
    retention_minutes: float = Field(60.0, gt=0, description="Encoded video is deleted from the log after this time.")
    log_max_bytes: int = Field(20 * 2**30, ge=2**20, description="The embedded log's size limit; the oldest go first.")
    uncommitted_max_bytes: int = Field(64 * 2**20, ge=2**20, description="A file's ingest waits while its partition has more to do.")
    connect_timeout_s: float = Field(10.0, gt=0, description="Opening a network source gives up after this time.")
    read_timeout_s: float = Field(10.0, gt=0, description="A network source that sends nothing for this time is stalled.")
    tls_verify: bool = Field(True, description="Check the certificates of rtsps and https cameras.")  # noqa: FBT003 - a field's default
    tls_ca_file: Path | None = Field(None, description="PEM file with the certificates to trust; none: the system's.")

    # Analysis
    analysis_fps: float = Field(5.0, gt=0, le=60, description="Frames per second of stream time that are analysed.")
    detector: Literal["auto", "yunet", "mtcnn", "haar"] = Field("auto", description="auto: yunet where its file is at hand, else mtcnn.")
    detector_model: Path | None = Field(None, description="The YuNet file, where it is not to be downloaded.")
    detector_threshold: float = Field(0.6, gt=0, lt=1, description="Scores from here on begin a track.")
    detector_low_threshold: float = Field(0.3, gt=0, lt=1, description="Scores from here on may continue a track (second round).")
    detect_side_px: int = Field(640, ge=64, le=8192, description="Longer side of the picture that the detector sees.")
    model: str = Field("face_attributes", description="Name of the age and gender model in the model repository.")
    runtime: Literal["onnxruntime", "openvino"] = Field(
        "onnxruntime",
        description="What runs the networks. openvino comes with headcount[openvino]; which is faster depends on the processor.",
    )
    model_repository: Path | None = Field(None, description="A Triton model repository; none: the one that comes with Headcount.")
    triton_url: str | None = Field(
        None, pattern=r"^[^:/\s]+:[0-9]{1,5}$", description="HOST:PORT of Triton's gRPC; none: the worker runs the model itself."
    )
    triton_timeout_s: float = Field(5.0, gt=0, description="A request that Triton has not answered for this long is sent again.")
    triton_in_flight: int = Field(4, ge=1, le=256, description="Requests that one process has at Triton at once.")
    crop_min_face_px: float = Field(24.0, gt=0, description="Smaller faces (height of the box) are not classified.")
    crop_min_quality: float = Field(0.15, ge=0, le=1, description="Crops below this quality are not classified.")
    confirm_detections: int = Field(3, ge=1, description="A track is confirmed, and counts, after this many detections.")
    end_after_s: float = Field(2.0, gt=0, description="A track ends when its face was not seen for this long.")
    poster_after_s: float = Field(60.0, gt=0, description="A face that has not moved for this long is a poster and is not counted.")
    visit_max_s: float = Field(900.0, gt=0, description="A longer visit is cut here; its continuation is not counted.")
    gender_unknown: tuple[float, float] = Field((0.4, 0.6), description="Between these P(female) the gender is unknown.")
    band_min_prob: float = Field(0.3, ge=0, le=1, description="Below this probability the age band is unknown.")

    # Looking before decoding
    decode: Literal["all", "gated", "keyframes"] = Field("all", description="How much of the video of a new camera is decoded.")
    gate_max_interval_s: float = Field(1.0, gt=0, le=30, description="With keyframes further apart all is decoded; motion decides.")
    gate_motion_share: float = Field(0.001, ge=0, le=1, description="Share of gray pixels that must change for a frame to be searched.")

    # The worker
    lanes: int = Field(0, ge=0, le=64, description="Partitions that one worker analyses at once; 0: one for each core that it has.")
    commit_s: float = Field(2.0, gt=0, description="A partition commits at least this often while it has work.")
    commit_segments: int = Field(64, ge=1, description="A batch holds at most this many segments.")
    batch_max_bytes: int = Field(32 * 2**20, ge=2**20, description="A batch holds at most this many bytes (and at least one segment).")
    claim_ttl_s: float = Field(10.0, gt=0, description="A worker that has not renewed for this long loses its partitions.")
    renew_s: float = Field(2.0, gt=0, description="How often a worker renews.")
    stop_timeout_s: float = Field(
        20.0, gt=0, description="Stopping waits at most this long for the batches in hand, then ends without them."
    )

    dead_letters_in_a_row: int = Field(
        200,
        ge=1,
        description="So many unusable records in a row, of more than one camera, stop the worker.",
    )
    hang_s: float = Field(60.0, ge=5, description="A worker of which a partition makes no progress for this long is ended and replaced.")

    # Processes
    ray: bool = Field(True, description="headcount run: workers under Ray, one for each core; else one in its own process.")  # noqa: FBT003 - a field's default
    actors: int = Field(0, ge=0, le=1024, description="Workers that Ray keeps running; 0: one for each core.")
    actors_max: int = Field(0, ge=0, le=1024, description="With lag Ray runs up to so many; 0: no more than HEADCOUNT_ACTORS.")
    scale_lag_s: float = Field(10.0, gt=0, description="Records that wait longer than this call for another worker.")
    scale_idle_s: float = Field(120.0, gt=0, description="After this time without lag a worker above HEADCOUNT_ACTORS is ended.")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Each process serves /metrics on the first free port of the loopback from here on; 0: none."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="What is logged to stderr, from this level on.")
    log_format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, else a JSON object a line.")

    # The stack
    programs_dir: Path | None = Field(None, description="Where headcount stack keeps Kafka and Triton; none: programs in the data folder.")
    stack_kafka_port: int = Field(9092, ge=1, le=65535, description="Port of the stack's Kafka.")
    stack_kafka_controller_port: int = Field(9093, ge=1, le=65535, description="Port of its controller.")
    stack_triton_http_port: int = Field(8000, ge=1, le=65535, description="HTTP port of the stack's Triton.")
    stack_triton_grpc_port: int = Field(8001, ge=1, le=65535, description="Its gRPC port.")
    stack_triton_metrics_port: int = Field(8002, ge=1, le=65535, description="Its metrics' port.")

    @property
    def record_max_bytes(self) -> int:
        """The largest record of the log: a segment, what Matroska adds to it (8 bytes a packet), and its headers."""
        return self.segment_max_bytes + _OVERHEAD_BYTES

    @field_validator("data_dir", "tls_ca_file", "kafka_ca_file", "detector_model", "model_repository", "programs_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.absolute()  # workers in a cluster have another current folder

    @field_validator("gender_unknown")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= limits[0] <= limits[1] <= 1:
            raise ValueError("expected two probabilities, the lower one first")
        return limits

    @field_validator("detector_low_threshold")
    @classmethod
    def _below_the_threshold(cls, low: float, info: ValidationInfo) -> float:
        if low > info.data.get("detector_threshold", 1.0):
            raise ValueError(f"expected at most {PREFIX}DETECTOR_THRESHOLD")
        return low

    @field_validator("segment_max_bytes")
    @classmethod
    def _within_the_spool(cls, segment_max_bytes: int, info: ValidationInfo) -> int:
        if segment_max_bytes > info.data.get("spool_max_bytes", math.inf):
            raise ValueError(f"expected at most {PREFIX}SPOOL_MAX_BYTES: one segment would empty the spool")
        return segment_max_bytes

    @field_validator("hang_s")
    @classmethod
    def _beyond_the_stop(cls, hang_s: float, info: ValidationInfo) -> float:
        if hang_s <= info.data.get("stop_timeout_s", 0.0):
            raise ValueError(f"expected more than {PREFIX}STOP_TIMEOUT_S: a worker that stops in good order would seem to hang")
        return hang_s

    @field_validator("hang_s")
    @classmethod
    def _beyond_triton(cls, hang_s: float, info: ValidationInfo) -> float:
        if info.data.get("triton_url") is not None and hang_s <= _TRITON_WAITS * info.data.get("triton_timeout_s", 0.0):
            raise ValueError(f"expected more than {_TRITON_WAITS} times {PREFIX}TRITON_TIMEOUT_S: who waits for Triton would seem to hang")
        return hang_s

    @field_validator("renew_s")
    @classmethod
    def _within_the_lease(cls, renew_s: float, info: ValidationInfo) -> float:
        if renew_s >= info.data.get("claim_ttl_s", math.inf):
            raise ValueError(f"expected less than {PREFIX}CLAIM_TTL_S: a worker that renews too late loses its partitions")
        return renew_s

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line first, then the environment, then the TOML file."""
        del dotenv_settings, file_secret_settings
        path = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, toml_file=path),) if path else ()
        return (init_settings, env_settings, *toml)


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - each override is validated by its field
    """Read the settings; overrides that are None count as not given.

    Raises:
        ConfigurationError: A name is unknown or a value cannot be used; says which, and never the value of a secret.
    """
    _refuse_unknown(os.environ)
    config = os.environ.get(CONFIG_VARIABLE)
    if config and not Path(config).is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE}: there is no file {config}")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"setting {PREFIX}{name.upper()}: {message}{_similar(name)}") from None
    except SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        name = found[1].upper() if found else "?"
        raise ConfigurationError(f"setting {PREFIX}{name}: expected JSON, such as [0.4, 0.6]") from None
    except (OSError, ValueError) as error:  # no TOML, or not even UTF-8
        raise ConfigurationError(f"the file that {CONFIG_VARIABLE} names cannot be read as TOML ({error})") from None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise ConfigurationError(f"unknown setting {name}{_similar(name.upper().removeprefix(PREFIX))}")


def _similar(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1)
    return f"; did you mean {PREFIX}{close[0].upper()}?" if close and close[0] != name.lower() else ""
