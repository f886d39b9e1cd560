"""Connections to PostgreSQL that survive a rotation of the password.

RDS rotates the master password every seven days, and a task knows the one that was valid when it started. So a refused
login reads the secret again, and tries once more with what it finds.
"""

import json
import threading
from typing import Any

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import Engine, create_engine

from app.settings import Settings

# SQLSTATEs of a refused login: invalid password, invalid authorization.
REFUSED = {"28P01", "28000"}
CONNECT_SECONDS = 5


class Credentials:
    """The user and password in force, as far as known."""

    def __init__(self, settings: Settings) -> None:
        """Begin with what the task was started with."""
        self._settings = settings
        self._lock = threading.Lock()
        self._user, self._password = settings.user, settings.password

    def current(self) -> tuple[str, str]:
        """Return user and password."""
        with self._lock:
            return self._user, self._password

    def renew(self, refused: tuple[str, str]) -> bool:
        """Read the secret again and tell whether it holds anything else than what was refused.

        Raises psycopg.OperationalError where the secret cannot be read.
        """
        if not self._settings.secret_arn:
            return False
        try:
            client = boto3.client("secretsmanager")
            answer = client.get_secret_value(SecretId=self._settings.secret_arn)
        except (BotoCoreError, ClientError) as error:
            raise psycopg.OperationalError(f"password refused, and its secret is unreadable: {error}") from error
        secret = json.loads(answer["SecretString"])
        with self._lock:
            self._user, self._password = secret["username"], secret["password"]
            # Not compared with what was known: another thread may have read the new password a moment ago.
            return refused != (self._user, self._password)


def connect(settings: Settings, credentials: Credentials) -> psycopg.Connection[Any]:
    """Open a connection; raises psycopg.OperationalError where the database cannot be reached or refuses."""
    user, password = credentials.current()
    try:
        return _open(settings, user, password)
    except psycopg.OperationalError as error:
        # libpq reports a refused login in words only: no SQLSTATE arrives before the session exists.
        refused = error.sqlstate in REFUSED or "password authentication failed" in str(error)
        if not refused or not credentials.renew((user, password)):
            raise
    return _open(settings, *credentials.current())


def _open(settings: Settings, user: str, password: str) -> psycopg.Connection[Any]:
    # Given a file of authorities, libpq checks the server even where only encryption was asked for.
    checks = settings.sslrootcert and settings.sslmode.startswith("verify")
    certificate = {"sslrootcert": settings.sslrootcert} if checks else {}
    return psycopg.connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.name,
        user=user,
        password=password,
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
