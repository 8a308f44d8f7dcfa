"""A process that writes or reads a local log, for the tests to watch and to kill: `python -m ... write|read FOLDER COUNT`."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.adapters.locallog import LocalLog, LogLimits
from tests.clocks import RealClock
from tests.contract.segment_log import numbered

LIMITS = LogLimits(partitions=1, retention_s=3600, max_bytes=8 * 2**20, max_record_bytes=2**20, fsync=False)
RECORD_BYTES = 200_000


def write(path: Path, count: int) -> None:
    """Append `count` records, tell each offset once it is acknowledged, and hold the log open until stdin ends."""
    log = LocalLog(path, clock=RealClock(), limits=LIMITS)
    for _ in range(count):
        tell(log.append(0, numbered(log.offsets(0).stop, size=RECORD_BYTES)))
    sys.stdin.read()


def read(path: Path, count: int) -> None:
    """Read `count` records and tell their offsets."""
    log = LocalLog(path, clock=RealClock())
    offset = 0
    while offset < count:
        for stored in log.read(0, offset, max_bytes=1, timeout_s=30):
            assert stored.record == numbered(stored.offset, size=RECORD_BYTES)
            tell(stored.offset)
            offset = stored.offset + 1


def tell(offset: int) -> None:
    """Write an offset to stdout, for the test that watches."""
    sys.stdout.write(f"{offset}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
