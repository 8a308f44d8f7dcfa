"""The words of Headcount as immutable values; imports nothing of ours.

Instants inside the pipeline are integers: microseconds since the Unix epoch (suffix `_us`) in stream time, so that
arithmetic is exact. Values that leave the pipeline (visits, coverage) carry timezone-aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

Float32: TypeAlias = NDArray[np.float32]
UInt8: TypeAlias = NDArray[np.uint8]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

AGE_BANDS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
UNKNOWN = "unknown"


def to_us(instant: datetime) -> int:
    """Return microseconds since the epoch of a timezone-aware instant (exact).

    Raises:
        ValueError: The instant has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"expected a timezone-aware instant, got the naive {instant.isoformat()}")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(instant_us: int) -> datetime:
    """Return the UTC datetime of microseconds since the epoch (exact)."""
    return _EPOCH + timedelta(microseconds=instant_us)


def check_array(name: str, array: NDArray[Any], shape: tuple[int | None, ...], dtype: type[np.generic]) -> None:
    """Check an array's shape (None: any length) and dtype.

    Raises:
        ValueError: With what was expected and what came.
    """
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != dtype:
        wanted = "(" + ", ".join("n" if n is None else str(n) for n in shape) + f") {np.dtype(dtype)}"
        raise ValueError(f"{name}: expected {wanted}, got {array.shape} {array.dtype}")


_STORABLE_US = (to_us(datetime(1, 1, 2, tzinfo=UTC)), to_us(datetime(9999, 12, 30, tzinfo=UTC)))
_LONGEST_US = 31 * 86_400_000_000


class SegmentKind(StrEnum):
    """What a log record holds."""

    GOP = "gop"  # one or more whole groups of pictures
    GAP = "gap"  # no payload: no frame of this session before `captured_us` will follow
    END = "end"  # no payload: the session is over


class Decode(StrEnum):
    """How much of a camera's video is decoded, from the most to the least."""

    ALL = "all"
    GATED = "gated"  # keyframes first; what lies between them only where they, or movement, ask for it
    KEYFRAMES = "keyframes"  # nothing else

    def weaker(self, other: Decode) -> Decode:
        """Return the one that decodes less."""
        return max(self, other, key=list(Decode).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A run of encoded video of one camera that starts at a keyframe; one log record.

    Raises:
        ValueError: A field is out of its range.
    """

    camera_id: UUID
    session: int  # one connection of the camera, 1..2^63-1; of a file, from its content
    sequence: int  # 0, 1, 2, ... within the session; GAP and END records count too
    kind: SegmentKind
    captured_us: int  # UTC of the first displayed frame
    pts_us: int = 0  # presentation time of that frame in the source, microseconds
    duration_us: int = 0  # from the first frame to the end of the last, microseconds
    codec: str = ""  # FFmpeg's name: "h264", "hevc", "mjpeg", "mpeg4", "vp8", "vp9", "av1"
    width_px: int = 0  # as the container says; the decoded frame decides
    height_px: int = 0
    frame_count: int = 0  # frames that a fresh decoder can show
    reconnected: bool = False  # the first segment after a live camera was lost and found
    decode: Decode = Decode.ALL  # fixed when it was written, so that a replay looks at the same frames
    payload: bytes = field(default=b"", repr=False)  # Matroska

    def __post_init__(self) -> None:
        if not 1 <= self.session < 2**63:
            raise ValueError(f"session: expected 1..2^63-1, got {self.session}")
        for name in ("sequence", "duration_us", "width_px", "height_px", "frame_count"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if self.sequence >= 2**63:
            raise ValueError(f"sequence: expected less than 2^63, got {self.sequence}")
        if not _STORABLE_US[0] <= self.captured_us <= _STORABLE_US[1] - _LONGEST_US:
            raise ValueError(f"captured_us: expected an instant of the years 1 to 9999, got {self.captured_us}")
        if self.duration_us > _LONGEST_US:
            raise ValueError(f"duration_us: expected at most 31 days, got {self.duration_us}")
        if (self.kind is SegmentKind.GOP) != bool(self.payload):
            raise ValueError(
                f"payload: expected one exactly in a {SegmentKind.GOP} record, got a {self.kind} record with {len(self.payload)} bytes"
            )

    @property
    def end_us(self) -> int:
        """UTC at which the last frame's display ends, microseconds."""
        return self.captured_us + self.duration_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the log carries: headers and a value, before it has an offset."""

    headers: tuple[tuple[str, bytes], ...]
    value: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of headers and value."""
        return len(self.value) + sum(len(name) + len(value) for name, value in self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record at its place in the log."""

    partition: int
    offset: int
    record: Record
    appended_us: int | None = None  # UTC by the log's clock, for lag only: nothing that is counted depends on it


class Picture(Protocol):
    """A decoded picture at full resolution; converts only the windows that are asked for."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        ...

    def window(self, x0: int, y0: int, x1: int, y1: int) -> UInt8:
        """Return the window (y1-y0, x1-x0, 3) uint8 RGB; it must lie inside the picture. The result owns its memory."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A decoded, sampled picture."""

    captured_us: int  # UTC
    pts_us: int  # presentation time in its session's source
    small: UInt8 = field(repr=False)  # (h, w, 3) BGR: the detector's picture, at most `detect_side_px` long
    picture: Picture = field(repr=False)  # full resolution, for crops

    @property
    def scale(self) -> float:
        """Full-resolution pixels per pixel of `small`."""
        return self.picture.size_wh[0] / int(self.small.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """The faces of one frame, in pixels of the full picture, best score first.

    Raises:
        ValueError: An array has another shape or dtype.
    """

    xyxy: Float32  # (n, 4): left, top, right, bottom
    score: Float32  # (n,): 0..1
    landmarks: Float32  # (n, 5, 2): eye, eye, nose, mouth corner, mouth corner, image-left first; NaN: not known

    def __post_init__(self) -> None:
        check_array("xyxy", self.xyxy, (None, 4), np.float32)
        check_array("score", self.score, (len(self.xyxy),), np.float32)
        check_array("landmarks", self.landmarks, (len(self.xyxy), 5, 2), np.float32)

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: NDArray[Any] | slice) -> Detections:
        return Detections(xyxy=self.xyxy[index], score=self.score[index], landmarks=self.landmarks[index])

    @classmethod
    def none(cls) -> Detections:
        """Return no detection."""
        return cls(xyxy=np.zeros((0, 4), np.float32), score=np.zeros(0, np.float32), landmarks=np.zeros((0, 5, 2), np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the model says of n crops.

    Raises:
        ValueError: An array has another shape or dtype, or holds NaN.
    """

    age_probs: Float32  # (n, 101): years 0..100, each row sums to 1
    gender_probs: Float32  # (n, 2): female, male
    model: str = ""  # who says so: model, version and crop recipe, "face_attributes:1/tight-1"; of no crop: anything

    def __post_init__(self) -> None:
        check_array("age_probs", self.age_probs, (None, 101), np.float32)
        check_array("gender_probs", self.gender_probs, (len(self.age_probs), 2), np.float32)
        if not (np.isfinite(self.age_probs).all() and np.isfinite(self.gender_probs).all()):
            raise ValueError("attributes: expected finite probabilities, got NaN or infinity")

    def __len__(self) -> int:
        return len(self.age_probs)


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseSums:
    """Quality-weighted sums over a track's observations; all that is kept of them."""

    observations: int = 0
    weight: float = 0.0  # sum of crop qualities
    best_quality: float = 0.0  # 0..1
    age: float = 0.0  # sum of weight x expected age, years
    p_female: float = 0.0  # sum of weight x P(female)
    bins: tuple[float, ...] = ()  # sum of weight x P(age bin); see stages/fuse.py for the edges
    model: str = ""  # which models and versions judged, joined by "+" where one was replaced meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One face followed over frames: all that the tracker knows of it."""

    # Frozen for ever in this order's serialised form (pipeline/state.py): what a visit needs.
    visit_id: UUID  # fixed at birth
    session: int
    started_us: int
    last_us: int  # last sight
    hits: int  # detections
    first_box: tuple[int, int, int, int]  # xyxy at birth, pixels
    last_box: tuple[int, int, int, int]
    counted: bool  # False: the continuation of a visit that was cut for its length
    moved: bool  # it has left its place of birth
    evidence: float  # what its detections' scores say for a face; infinity: confirmed
    sums: FuseSums = FuseSums()
    # What matching needs.
    number: int  # running number within the camera's session, for people to read
    centre_x: float  # estimated position at last sight, pixels
    centre_y: float
    height: float  # estimated face height, pixels
    velocity_x: float = 0.0  # pixels per second
    velocity_y: float = 0.0
    colours: bytes = b""  # 96 coarse colours of the head, or none
    crops: int = 0  # crops sent to the model so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A place where a face that does not move was seen: a poster, a screen."""

    box: tuple[int, int, int, int]  # xyxy, pixels
    last_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraState:
    """Everything that the next record of a camera depends on."""

    session: int
    sequence: int  # of the last record that was taken
    last_us: int  # captured_us of the last frame that was decoded (or of a gap)
    size_wh: tuple[int, int]  # of the last decoded frame, pixels
    next_number: int = 1
    tracks: tuple[Track, ...] = ()
    stills: tuple[Still, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A registered camera."""

    camera_id: UUID
    name: str
    site: str
    partition: int
    decode: Decode = Decode.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A finished, confirmed track with its fused age and gender: the unit that is stored and counted."""

    visit_id: UUID
    camera_id: UUID
    session: int
    started_at: datetime
    ended_at: datetime  # last sight
    age: float | None  # years; None: no crop above the gate
    age_low: float | None  # 10th percentile of the fused distribution
    age_high: float | None  # 90th percentile
    age_band: str  # of AGE_BANDS, or "unknown"
    band_probs: tuple[float, ...]  # nine probabilities, or none
    p_female: float | None
    gender: str  # "female", "male" or "unknown"
    observations: int  # crops that were classified
    detections: int  # frames in which the face was found
    quality: float  # 0..1, best crop
    first_box: tuple[int, int, int, int]  # xyxy, pixels
    last_box: tuple[int, int, int, int]
    model: str  # name and version of the model that judged it, with its crop recipe; "none": no crop was good enough
    detector: str

    @property
    def dwell_s(self) -> float:
        """Seconds from first to last sight."""
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageMinute:
    """What was really observed of one camera in one minute, and what was counted meanwhile (added to what is stored)."""

    camera_id: UUID
    minute: datetime  # its beginning, UTC
    seconds: int = 0  # bit s is set when the middle of second s lies in an observed interval (60 bits)
    level: Decode = Decode.ALL  # how it was decoded; the least of what was done in it
    segments: int = 0
    frames_decoded: int = 0
    frames_analysed: int = 0
    detections: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)  # reason -> how many


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record, or the rest of one, that could not be analysed: reason and coordinates, never bytes."""

    partition: int
    offset: int
    reason: str
    camera_id: UUID | None = None  # None: the header could not be read
    session: int | None = None
    sequence: int | None = None
    captured_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGap:
    """Offsets of a partition that were gone before they were read."""

    partition: int
    from_offset: int
    to_offset: int  # exclusive
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """All that one batch of a partition changes; committed in one transaction together with the position."""

    visits: tuple[Visit, ...] = ()
    coverage: tuple[CoverageMinute, ...] = ()
    states: Mapping[UUID, bytes | None] = field(default_factory=dict)  # None: the camera's session ended, forget it
    dead_letters: tuple[DeadLetter, ...] = ()
    log_gaps: tuple[LogGap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the work on a partition is behind its log."""

    records: int  # offsets that are not analysed and stored
    seconds: float  # how long the oldest of them has been in the log, by the clock of who asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write a partition."""

    partition: int
    epoch: int
    next_offset: int
    crashes: int  # claims in a row that ended without a commit
    suspect_offset: int | None = None  # the record that was opened last, in careful mode; none: all that were opened are stored
    suspect_count: int = 0  # claims that opened it and did not live to store it
