"""Maps what SQLAlchemy and psycopg2 raise onto our error tree; imports errors only."""

from __future__ import annotations

from sqlalchemy import exc

from pipeline.errors import ConfigurationError, DatabaseUnavailableError, HeadcountError

# SQLSTATE of what may pass by itself: https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = ("08", "53", "57P", "58")  # connection, resources (memory, disk, connections), shutting down, system
_TRANSIENT = {
    "40001": "a serialization failure",
    "40P01": "a deadlock",
    "55P03": "a lock was not free in time",
    "57014": "a statement took too long",
    "25P03": "a transaction stood idle too long",
    "25P04": "a transaction took too long",
}
# libpq reports a refused login without its SQLSTATE, so the server's words decide.
_REFUSED = {
    "password authentication failed": "check user and password in HEADCOUNT_DATABASE_URL",
    "no password supplied": "give the password in HEADCOUNT_DATABASE_URL",
    "no pg_hba.conf entry": "allow this host in the server's pg_hba.conf",
    '" does not exist': "make it, or correct HEADCOUNT_DATABASE_URL",
    "is not permitted to log in": "give that role LOGIN, or use another in HEADCOUNT_DATABASE_URL",
    "does not support SSL": "correct sslmode in HEADCOUNT_DATABASE_URL",
    "invalid sslmode value": "correct sslmode in HEADCOUNT_DATABASE_URL",
}
_DENIED = "42501"


def translated(error: exc.SQLAlchemyError) -> HeadcountError | None:
    """Return the error of ours that says what to do about `error`; None: it is a bug and should be seen as it is."""
    if isinstance(error, exc.TimeoutError):
        return DatabaseUnavailableError("the database is busy: no connection came free in time")
    if not isinstance(error, exc.DBAPIError):
        return None
    state = getattr(error.orig, "pgcode", None)
    if state is not None:
        return _from_state(state, _first_line(error))
    if "invalid dsn" in str(error.orig):  # libpq quotes what it did not understand of the URL: it may be a piece of the password
        return ConfigurationError("HEADCOUNT_DATABASE_URL holds an option that PostgreSQL does not know; percent-encode the password")
    if error.connection_invalidated or isinstance(error, (exc.OperationalError, exc.InterfaceError)):
        return _connection_failure(_first_line(error))
    return None


def _from_state(state: str, message: str) -> HeadcountError | None:
    if state == _DENIED:
        return ConfigurationError(f"the database refuses: {message}; grant it to the user of HEADCOUNT_DATABASE_URL")
    if state in _TRANSIENT:
        return DatabaseUnavailableError(f"the database gave up: {_TRANSIENT[state]}; try again")
    if state.startswith(_TRANSIENT_CLASSES):
        return DatabaseUnavailableError(f"the database does not answer: {message}")
    return None


def _connection_failure(message: str) -> HeadcountError:
    for words, advice in _REFUSED.items():
        if words in message:
            return ConfigurationError(f"cannot use the database: {message}; {advice}")
    return DatabaseUnavailableError(f"the database does not answer: {message}; is it running and reachable?")


def _first_line(error: exc.DBAPIError) -> str:
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
