"""The cameras: who they are, which process feeds them, how far each session is in the log. Imports types, errors, ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import exc, text

from pipeline.errors import CameraHeldError, ConfigurationError, FencedError
from pipeline.ports import Lease
from pipeline.types import Camera, Decode, SegmentKind, from_us

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.adapters.postgres.database import Database
    from pipeline.types import Segment

_CAMERAS = UUID("6d1b9a52-7c3e-5f0a-9d64-3b2f8e17c0a4")  # namespace; never change it: visit keys are built on camera ids
_INVALID_PARAMETER = "22023"

_CHECK_TIME_ZONE = text("SELECT now() AT TIME ZONE :time_zone")
_ADD_SITE = text("INSERT INTO site(name, time_zone) VALUES (:site, :time_zone) ON CONFLICT (name) DO NOTHING")
_LOCK_LOG = text("SELECT 1 FROM log WHERE log_id = :log FOR UPDATE")  # two cameras at once must not choose the same partition

# A camera keeps its partition as long as the log has it.
_ADD_CAMERA = text("""
INSERT INTO camera(camera_id, site_id, name, source, decode, partition)
SELECT :camera, s.site_id, :name, :source, coalesce(:decode, :new_decode),
       (SELECT p.partition FROM log_partition p LEFT JOIN camera c ON c.partition = p.partition
        WHERE p.log_id = :log GROUP BY p.partition ORDER BY count(c.camera_id), p.partition LIMIT 1)
FROM site s WHERE s.name = :site
ON CONFLICT (camera_id) DO UPDATE SET source = excluded.source, decode = coalesce(:decode, camera.decode), partition = CASE
    WHEN EXISTS (SELECT 1 FROM log_partition p WHERE p.log_id = :log AND p.partition = camera.partition) THEN camera.partition
    ELSE excluded.partition END
RETURNING partition, decode
""")

_TAKE = text("""
UPDATE camera SET lease_holder = :me, lease_seen_at = now(), last_session = last_session + :new_sessions
WHERE camera_id = :camera
  AND (lease_holder IS NULL OR lease_holder = :me OR lease_seen_at < now() - make_interval(secs => :ttl))
RETURNING last_session
""")

# A session that an earlier log carried is over when its END was analysed there; else this log gets it from the start.
_OPEN_SESSION = text("""
INSERT INTO session AS s (camera_id, session, log_id, partition) VALUES (:camera, :session, :log, :partition)
ON CONFLICT (camera_id, session) DO UPDATE SET log_id = :log, next_sequence = 0, last_offset = NULL, finished = false
WHERE s.log_id <> :log AND NOT (s.finished AND EXISTS (
    SELECT 1 FROM log_partition p WHERE p.log_id = s.log_id AND p.partition = s.partition AND p.next_offset > s.last_offset))
""")
_READ_SESSION = text("SELECT next_sequence, finished FROM session WHERE camera_id = :camera AND session = :session")

_ACKNOWLEDGE = text("""
WITH held AS (
    UPDATE camera SET lease_seen_at = now() WHERE camera_id = :camera AND lease_holder = :me RETURNING camera_id)
UPDATE session s
SET next_sequence = GREATEST(s.next_sequence, :next_sequence), last_offset = :offset, partition = :partition,
    finished = s.finished OR :finished, started_at = LEAST(s.started_at, :started_at), ended_at = GREATEST(s.ended_at, :ended_at)
FROM held WHERE s.camera_id = held.camera_id AND s.session = :session AND s.log_id = :log
""")
_COMMITTED = text("SELECT next_offset FROM log_partition WHERE log_id = :log AND partition = :partition")
_RELEASE = text("UPDATE camera SET lease_holder = NULL WHERE camera_id = :camera AND lease_holder = :me")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCameras:
    """What cameras get that are registered for the first time."""

    site: str  # made with `time_zone` where it is new
    time_zone: str  # IANA name
    decode: Decode = Decode.ALL  # where none is asked for


class PostgresRegistry:
    """Implements `pipeline.ports.Registry` for one log and one ingest process.

    Args:
        new: What new cameras get.
        ttl_s: A process that has not acknowledged or renewed for this long loses its cameras.
        holder: Who leases; the same one again has its cameras at once. A random one where processes do not exclude each other.
    """

    def __init__(self, database: Database, *, log_id: int, new: NewCameras, ttl_s: float, holder: UUID | None = None) -> None:
        self._database = database
        self._log_id = log_id
        self._new = new
        self._own = {"me": holder or uuid4(), "log": log_id, "ttl": ttl_s}

    def register(self, name: str, source: str, decode: Decode | None = None) -> Camera:
        """Return the camera of this name (see `pipeline.ports.Registry`).

        Raises:
            ConfigurationError: The site's time zone is unknown.
            DatabaseUnavailableError: Try again.
        """
        new, camera_id = self._new, camera_id_of(self._new.site, name)
        described = {"name": name, "source": source, "site": new.site, "time_zone": new.time_zone}
        decoded = {"decode": decode and decode.value, "new_decode": new.decode.value}
        parameters = {**self._own, "camera": camera_id, **described, **decoded}
        with self._database.transaction() as connection:
            self._check_time_zone(connection)
            for statement in (_LOCK_LOG, _ADD_SITE):
                connection.execute(statement, parameters)
            partition, stored = connection.execute(_ADD_CAMERA, parameters).one()
        return Camera(camera_id=camera_id, name=name, site=new.site, partition=partition, decode=Decode(stored))

    def lease(self, camera: Camera, session: int | None) -> Lease:
        """Take or renew the camera (see `pipeline.ports.Registry`); to renew a live one, give its session."""
        parameters: dict[str, Any] = {**self._own, "camera": camera.camera_id, "partition": camera.partition}
        with self._database.transaction() as connection:
            last_session = connection.execute(_TAKE, {**parameters, "new_sessions": int(session is None)}).scalar_one_or_none()
            if last_session is None:
                raise CameraHeldError(f"camera {camera.name!r} is fed by another process: stop that one, or give this one another --name")
            parameters["session"] = last_session if session is None else session
            connection.execute(_OPEN_SESSION, parameters)
            next_sequence, finished = connection.execute(_READ_SESSION, parameters).one()
        return Lease(camera=camera, session=parameters["session"], next_sequence=next_sequence, finished=finished)

    def acknowledge(self, lease: Lease, segment: Segment, offset: int) -> None:
        """Store that `segment` is in the log at `offset`; renews the lease (see `pipeline.ports.Registry`)."""
        parameters = {
            **self._own,
            "camera": lease.camera.camera_id,
            "session": lease.session,
            "partition": lease.camera.partition,
            "offset": offset,
            "next_sequence": segment.sequence + 1,
            "finished": segment.kind is SegmentKind.END,
            "started_at": from_us(segment.captured_us),
            "ended_at": from_us(segment.end_us),
        }
        with self._database.transaction() as connection:
            if connection.execute(_ACKNOWLEDGE, parameters).rowcount == 0:
                raise FencedError(f"camera {lease.camera.name!r} was taken by another process")

    def committed(self, partition: int) -> int:
        """Return the partition's committed position."""
        with self._database.transaction() as connection:
            return int(connection.execute(_COMMITTED, {**self._own, "partition": partition}).scalar_one())

    def release(self, lease: Lease) -> None:
        """Give the camera back; does nothing when the lease is no longer ours."""
        with self._database.transaction() as connection:
            connection.execute(_RELEASE, {**self._own, "camera": lease.camera.camera_id})

    def _check_time_zone(self, connection: Connection) -> None:
        try:
            connection.execute(_CHECK_TIME_ZONE, {"time_zone": self._new.time_zone})
        except exc.DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != _INVALID_PARAMETER:
                raise
            raise ConfigurationError(
                f"HEADCOUNT_SITE_TIMEZONE: {self._new.time_zone!r} is no time zone; give an IANA name such as Europe/Budapest"
            ) from None


def camera_id_of(site: str, name: str) -> UUID:
    """Return the camera's id: the same in every database, so that two runs of one file give the same rows."""
    return uuid5(_CAMERAS, f"{site}\n{name}")
