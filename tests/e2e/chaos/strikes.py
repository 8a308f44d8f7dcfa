"""What is done to a column's servers; each is back, and well, when its strike returns. Imports the tests' servers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.chaos.schedule import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.servers import Servers

_BEYOND_A_REQUEST_S = 7.0  # the producer's and the reader's requests wait 5 s


def strikes(servers: Servers) -> Mapping[Kind, Callable[[], bool]]:
    """Return what can be done to them."""

    def kill_broker() -> bool:
        with servers.broker_killed():
            pass
        return True

    def stop_broker() -> bool:
        with servers.broker_stopped():
            time.sleep(_BEYOND_A_REQUEST_S)
        return True

    def kill_triton() -> bool:
        with servers.triton_killed():
            pass
        return True

    def kill_stub() -> bool:
        servers.kill_stub()
        return True

    return {Kind.BROKER: kill_broker, Kind.BROKER_STOPPED: stop_broker, Kind.TRITON: kill_triton, Kind.STUB: kill_stub}
