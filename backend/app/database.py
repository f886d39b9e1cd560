"""Connections to PostgreSQL that survive a rotation of the password.

The password is that of a secret, and changes while tasks run: RDS rotates the master user's every seven days, the
migration the application's user's. So a refused login reads the secret again, and tries once more with what it finds.
"""

import threading
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine

from app import secret
from app.secret import Login
from app.settings import Settings

# SQLSTATEs of a refused login: invalid password, invalid authorization.
REFUSED = {"28P01", "28000"}
CONNECT_SECONDS = 5
# A refused login, and one whose password has been rotated once more between reading it and using it.
TRIES = 3


class Credentials:
    """The user and password in force, as far as known."""

    def __init__(self, settings: Settings) -> None:
        """Begin with what the task was started with, if that was anything."""
        self._settings = settings
        self._lock = threading.Lock()
        self._login = Login(settings.user, settings.password) if settings.password else None

    def current(self) -> Login:
        """Return user and password, from the secret where the task was not told. Raises psycopg.OperationalError."""
        with self._lock:
            if self._login is None and self._settings.secret_arn:
                self._login = self._read()
            return self._login or Login(self._settings.user, "")

    def renew(self, refused: Login) -> bool:
        """Read the secret again and tell whether it holds anything else than what was refused.

        Raises psycopg.OperationalError where the secret cannot be read.
        """
        if not self._settings.secret_arn:
            return False
        found = self._read()
        with self._lock:
            self._login = found
        # Not compared with what was known: another thread may have read the new password a moment ago.
        return found != refused

    def _read(self) -> Login:
        try:
            kept = secret.read(self._settings.secret_arn)
        except secret.UnreadableError as error:
            raise psycopg.OperationalError(f"password refused or not known, and {error}") from error
        if kept is None:
            raise psycopg.OperationalError(
                "the secret with the password has no value: no migration has written one yet"
            )
        return kept.login


def connect(settings: Settings, credentials: Credentials) -> psycopg.Connection[Any]:
    """Open a connection; raises psycopg.OperationalError where the database cannot be reached or refuses."""
    for left in reversed(range(TRIES)):
        login = credentials.current()
        try:
            return open_as(settings, login)
        except psycopg.OperationalError as error:
            if not refused(error) or left == 0 or not credentials.renew(login):
                raise
    raise AssertionError("unreachable")


def refused(error: psycopg.OperationalError) -> bool:
    """Tell whether PostgreSQL has refused a login, as against not being reached."""
    # libpq reports a refused login in words only: no SQLSTATE arrives before the session exists.
    return error.sqlstate in REFUSED or "password authentication failed" in str(error)


def open_as(settings: Settings, login: Login) -> psycopg.Connection[Any]:
    """Open a connection of one user."""
    # Given a file of authorities, libpq checks the server even where only encryption was asked for.
    checks = settings.sslrootcert and settings.sslmode.startswith("verify")
    certificate = {"sslrootcert": settings.sslrootcert} if checks else {}
    return psycopg.connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.name,
        user=login.user,
        password=login.password,
        sslmode=settings.sslmode,
        connect_timeout=CONNECT_SECONDS,
        **certificate,  # type: ignore[arg-type]
    )


def make_engine(settings: Settings) -> Engine:
    """Make a pool of connections. The URL names no password: nothing that prints it can leak one."""
    credentials = Credentials(settings)
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(settings, credentials),
        pool_size=5,
        max_overflow=5,
        pool_timeout=5,
        pool_pre_ping=True,
        pool_recycle=1800,
    )
