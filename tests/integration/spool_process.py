"""A process whose camera is read while nothing is sent, for a test to kill: `python -m ... FOLDER SESSION`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from pipeline.settings import Settings
from pipeline.spool import Spool
from services.logs import configure
from tests.clocks import RealClock
from tests.spools import spool_in
from tests.unit.test_spool import camera, record


def main(folder: Path, session: int) -> None:
    """Put records for ever; tell each one's sequence once it is put."""
    configure(Settings())  # logs to stderr
    spool = Spool(camera(), spool_in(folder, max_bytes=2**30), RealClock())
    spool.open(session)
    for sequence in itertools.count():
        spool.put(record(sequence, session=session))
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
