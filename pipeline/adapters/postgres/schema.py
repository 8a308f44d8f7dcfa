"""The tables as SQLAlchemy sees them; `migrations/` makes them, and a test holds the two together. Imports nothing of ours."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIT, REAL

INSTANT = DateTime(timezone=True)
metadata = MetaData()


def _partition_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["log_id", "partition"], ["log_partition.log_id", "log_partition.partition"])


log = Table(
    "log",
    metadata,
    Column("log_id", Integer, primary_key=True),
    Column("log_uid", Text, nullable=False, unique=True),
    Column("name", Text),
)

site = Table(
    "site",
    metadata,
    Column("site_id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
)

camera = Table(
    "camera",
    metadata,
    Column("camera_id", Uuid, primary_key=True),
    Column("site_id", ForeignKey("site.site_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("decode", Text, nullable=False),
    Column("last_session", BigInteger, nullable=False),
    Column("lease_holder", Uuid),
    Column("lease_seen_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
    UniqueConstraint("site_id", "name"),
)

session = Table(
    "session",
    metadata,
    Column("camera_id", ForeignKey("camera.camera_id"), primary_key=True),
    Column("session", BigInteger, primary_key=True, autoincrement=False),
    Column("log_id", ForeignKey("log.log_id"), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_sequence", BigInteger, nullable=False),
    Column("last_offset", BigInteger),
    Column("finished", Boolean, nullable=False),
    Column("started_at", INSTANT),
    Column("ended_at", INSTANT),
)

worker = Table(
    "worker",
    metadata,
    Column("slot", Text, primary_key=True),
    Column("worker_id", Uuid, nullable=False, unique=True),
    Column("log_id", ForeignKey("log.log_id"), nullable=False),
    Column("seen_at", INSTANT, nullable=False),
    Column("node", Text, nullable=False),
    Column("pid", Integer, nullable=False),
)

log_partition = Table(
    "log_partition",
    metadata,
    Column("log_id", ForeignKey("log.log_id"), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Uuid),
    Column("crashes", Integer, nullable=False),
    Column("suspect_offset", BigInteger),
    Column("suspect_count", Integer, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

camera_state = Table(
    "camera_state",
    metadata,
    Column("log_id", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("camera_id", Uuid, primary_key=True),
    Column("state", LargeBinary, nullable=False),
    _partition_key(),
)

log_gap = Table(
    "log_gap",
    metadata,
    Column("log_id", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("from_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("to_offset", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("noticed_at", INSTANT, nullable=False),
    _partition_key(),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("log_id", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("log_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, primary_key=True),
    Column("camera_id", Uuid),
    Column("session", BigInteger),
    Column("sequence", BigInteger),
    Column("captured_at", INSTANT),
    Column("noticed_at", INSTANT, nullable=False),
    _partition_key(),
)

visit = Table(
    "visit",
    metadata,
    Column("visit_id", Uuid, primary_key=True),
    Column("camera_id", Uuid, nullable=False),
    Column("session", BigInteger, nullable=False),
    Column("started_at", INSTANT, primary_key=True),
    Column("ended_at", INSTANT, nullable=False),
    Column("age", REAL),
    Column("age_low", REAL),
    Column("age_high", REAL),
    Column("age_band", Text, nullable=False),
    Column("band_probs", ARRAY(REAL)),
    Column("p_female", REAL),
    Column("gender", Text, nullable=False),
    Column("observations", Integer, nullable=False),
    Column("detections", Integer, nullable=False),
    Column("quality", REAL, nullable=False),
    Column("first_box", ARRAY(Integer), nullable=False),
    Column("last_box", ARRAY(Integer), nullable=False),
    Column("model", Text, nullable=False),
    Column("detector", Text, nullable=False),
    Index("visit_camera_id_started_at_idx", "camera_id", "started_at"),
)

coverage = Table(
    "coverage",
    metadata,
    Column("camera_id", Uuid, primary_key=True),
    Column("minute", INSTANT, primary_key=True),
    Column("seconds", BIT(60), nullable=False),
    Column("level", Text, nullable=False),
    Column("segments", BigInteger, nullable=False),
    Column("frames_decoded", BigInteger, nullable=False),
    Column("frames_analysed", BigInteger, nullable=False),
    Column("detections", BigInteger, nullable=False),
)

coverage_reject = Table(
    "coverage_reject",
    metadata,
    Column("camera_id", Uuid, primary_key=True),
    Column("minute", INSTANT, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
    ForeignKeyConstraint(["camera_id", "minute"], ["coverage.camera_id", "coverage.minute"]),
)
