"""The user that the application connects as: not the master, and the owner of nothing.

Only the migration knows the master user's password, so it makes this user. Its rights belong to a role that cannot log
in, of which two members can, by turns: a rotation gives the one that is not in use a new password, writes it down, and
lets the other one's run out a little later. So what the secret says is valid at any time, also where a rotation has
died half way, and whoever is refused need only read the secret again.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql
from sqlalchemy import Connection

from app import database, schema, secret
from app.secret import Kept, Login
from app.settings import Settings

Raw = psycopg.Connection[Any]

# How long the password before is valid after a rotation: for whoever has read it and not yet used it.
OVERLAP = timedelta(minutes=15)
PASSWORD_BYTES = 32


def logins(role: str) -> tuple[str, str]:
    """Return the two users that take turns."""
    return f"{role}_a", f"{role}_b"


def grant(connection: Connection, role: str) -> None:
    """Give the role what the application needs of the schema as it is now, and nothing beyond.

    It is part of the connection's transaction: with that of the migration, no table is there without it.
    """
    raw = raw_of(connection)
    if raw.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        raw.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    names = {"role": sql.Identifier(role), "versions": sql.Identifier(schema.VERSIONS)}
    for statement in (
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",  # which everybody has before PostgreSQL 15
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        "REVOKE ALL ON {versions} FROM {role}",
    ):
        raw.execute(sql.SQL(statement).format(**names))


def rotate(connection: Connection, settings: Settings) -> str:
    """Give the application's user another password where it is due, and return what was done, in words.

    It is due where the secret holds none that opens the database, as at first and after the database came from a
    snapshot, and where it is old enough. Raises where there is none afterwards that does.
    """
    raw, users = raw_of(connection), logins(settings.app_user)
    kept = secret.read(settings.app_secret_arn)
    works = kept is not None and kept.login.user in users and opens(settings, kept.login)
    if kept is not None and works and not old(kept, settings.rotate_hours):
        retire(raw, users, kept.login.user)
        return f"the password of {kept.login.user} stays: it is not {settings.rotate_hours} h old"
    user = next(name for name in users if kept is None or name != kept.login.user)
    login = Login(user, secrets.token_urlsafe(PASSWORD_BYTES))
    set_password(raw, settings.app_user, login)
    try:
        secret.write(settings.app_secret_arn, login)
    except (BotoCoreError, ClientError) as error:
        if not works:
            raise
        return f"the password stays, since another could not be kept: {error}"
    retire(raw, users, user)
    return f"the application's user is {user} now, by a new password"


def old(kept: Kept, hours: int) -> bool:
    """Tell whether a password has had its time."""
    return datetime.now(UTC) - kept.since >= timedelta(hours=hours)


def opens(settings: Settings, login: Login) -> bool:
    """Tell whether PostgreSQL takes a login. Raises psycopg.OperationalError where it cannot be asked."""
    try:
        database.open_as(settings, login).close()
    except psycopg.OperationalError as error:
        if database.refused(error):
            return False
        raise
    return True


def set_password(raw: Raw, role: str, login: Login) -> None:
    """Let one of the two users log in by a new password. What PostgreSQL and its logs see is a verifier of it."""
    user = sql.Identifier(login.user)
    if raw.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login.user,)).fetchone() is None:
        raw.execute(sql.SQL("CREATE ROLE {} IN ROLE {}").format(user, sql.Identifier(role)))
    verifier = raw.pgconn.encrypt_password(login.password.encode(), login.user.encode(), b"scram-sha-256").decode()
    raw.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL 'infinity'").format(user, verifier))
    raw.commit()


def retire(raw: Raw, users: tuple[str, str], current: str) -> None:
    """Let the password of the one that is not in use run out, if it has no end yet."""
    unlimited = raw.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND rolname <> %s"
        " AND coalesce(rolvaliduntil, 'infinity') = 'infinity'",
        (list(users), current),
    ).fetchall()
    end = (datetime.now(UTC) + OVERLAP).isoformat()
    for (name,) in unlimited:
        raw.execute(sql.SQL("ALTER ROLE {} VALID UNTIL {}").format(sql.Identifier(name), end))
    raw.commit()


def raw_of(connection: Connection) -> Raw:
    """Return psycopg's own connection, with the same transaction: SQLAlchemy quotes no names of roles."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)  # noqa: S101 - for the type checker
    return raw
