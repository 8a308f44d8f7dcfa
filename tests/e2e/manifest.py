"""What a recording is cut into, and what of it lies in a topic, read without any code of ours but the record's; for proofs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from kafka import KafkaConsumer, TopicPartition

from pipeline.record import to_segment
from pipeline.settings import load_settings
from pipeline.types import Record, SegmentKind
from services.follow import segments_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from uuid import UUID

    from pipeline.types import Segment

_POLL_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One segment, whoever's it is."""

    session: int
    sequence: int
    kind: SegmentKind
    captured_us: int
    crc32: int  # of the video

    @classmethod
    def of(cls, segment: Segment) -> Entry:
        return cls(
            session=segment.session,
            sequence=segment.sequence,
            kind=segment.kind,
            captured_us=segment.captured_us,
            crc32=zlib.crc32(segment.payload),
        )


def of_clip(clip: Path, **settings: object) -> list[Entry]:
    """Return what ingest must make of a recording, in order."""
    return [Entry.of(segment) for segment in segments_of(str(clip), load_settings(**settings), lambda _: None)]


def without_repeats(segments: Iterable[Segment]) -> list[Entry]:
    """Return what lies in a log of one camera; a record that stands twice next to each other counts once."""
    return [entry for entry, _ in groupby(map(Entry.of, segments))]


def in_topic(bootstrap: str, topic: str) -> dict[int, list[Record]]:
    """Return all records of a topic, partition by partition, from offset 0 on."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none")
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[int, list[Record]] = {each.partition: [] for each in partitions}
        while any(consumer.position(each) < ends[each] for each in partitions):
            for each, records in consumer.poll(timeout_ms=_POLL_MS).items():
                found[each.partition] += [Record(headers=tuple(record.headers), value=record.value or b"") for record in records]
        return found
    finally:
        consumer.close()


def by_camera(found: dict[int, list[Record]]) -> dict[UUID, list[Segment]]:
    """Return each camera's records in their order; a camera has one partition."""
    cameras: dict[UUID, list[Segment]] = {}
    for records in found.values():
        here: dict[UUID, list[Segment]] = {}
        for record in records:
            segment = to_segment(record)
            here.setdefault(segment.camera_id, []).append(segment)
        assert not here.keys() & cameras.keys(), "a camera lies in two partitions"
        cameras |= here
    return cameras
