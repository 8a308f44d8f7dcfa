"""Every error that PostgreSQL can raise is either explained or, as a bug of ours, left as it is."""

from __future__ import annotations

import psycopg2
import psycopg2.errorcodes
import psycopg2.errors
import pytest
from sqlalchemy import exc

from pipeline.adapters.postgres.failures import translated
from pipeline.errors import ConfigurationError, DatabaseUnavailableError, HeadcountError

STATES = sorted(
    value
    for name, value in vars(psycopg2.errorcodes).items()
    if isinstance(value, str) and not name.startswith(("_", "CLASS_")) and len(value) == 5
)
OURS_TO_FIX = ("0", "10", "2", "3", "4", "54", "55", "57", "F0", "HV", "P0", "XX", "72")


class FromServer(psycopg2.Error):
    """An error as the server sends it; psycopg2's own have a read-only `pgcode`."""

    def __init__(self, state: str | None, message: str) -> None:
        super().__init__(message)
        self._state = state

    @property
    def pgcode(self) -> str | None:  # type: ignore[override] # the stub declares an attribute
        return self._state


def raised(state: str | None, message: str = "boom\nsecond line") -> HeadcountError | None:
    return translated(exc.OperationalError("SELECT 1", {}, FromServer(state, message)))


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_place(state: str) -> None:
    ours = raised(state)
    if state.startswith(("08", "53", "57P", "58")) or state in {"40001", "40P01", "55P03", "57014", "25P03", "25P04"}:
        assert isinstance(ours, DatabaseUnavailableError)
    elif state == "42501":
        assert isinstance(ours, ConfigurationError)
    else:
        assert ours is None
        assert state.startswith(OURS_TO_FIX)


def test_the_list_of_states_is_psycopgs() -> None:
    assert len(STATES) > 200


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('FATAL: password authentication failed for user "u"', ConfigurationError),
        ('FATAL: database "d" does not exist', ConfigurationError),
        ('FATAL: role "u" does not exist', ConfigurationError),
        ("fe_sendauth: no password supplied", ConfigurationError),
        ("server closed the connection unexpectedly\n\tThis probably means", DatabaseUnavailableError),
        ("connection refused", DatabaseUnavailableError),
        ("", DatabaseUnavailableError),
    ],
)
def test_a_refused_login_is_the_users_and_a_lost_server_the_machines(message: str, kind: type[HeadcountError]) -> None:
    ours = raised(None, message)
    assert isinstance(ours, kind)
    assert "\n" not in str(ours)


def test_a_full_pool_is_temporary() -> None:
    assert isinstance(translated(exc.TimeoutError("QueuePool limit")), DatabaseUnavailableError)


def test_mistakes_in_our_statements_are_seen_as_they_are() -> None:
    assert translated(exc.ArgumentError("bad")) is None
    assert translated(exc.ProgrammingError("SELECT", {}, FromServer(None, "can't adapt type"))) is None


def test_a_url_that_libpq_cannot_read_is_not_quoted() -> None:
    error = translated(exc.ProgrammingError("", {}, FromServer(None, 'invalid dsn: invalid connection option "s3cret"')))
    assert isinstance(error, ConfigurationError)
    assert "s3cret" not in str(error)
