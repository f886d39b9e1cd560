"""The application's user, as the migration makes it and rotates its password. The master is one as RDS makes it."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import alembic.config
import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from fastapi.testclient import TestClient
from moto import mock_aws
from psycopg import sql

from app import appuser, database, secret
from app.main import create_app
from app.secret import Login
from app.settings import Settings
from tests.conftest import BACKEND, PASSWORD, admin
from tests.test_migrations import image

MASTER = "owner"
Migrate = Callable[..., str]  # what it said


@pytest.fixture
def master(database: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Make a master user that owns the database and is no superuser, and a secret that nobody has written to."""
    with superuser(database) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD 'master'").format(sql.Identifier(MASTER))
        )
        connection.execute(sql.SQL("ALTER DATABASE app OWNER TO {}").format(sql.Identifier(MASTER)))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        arn = boto3.client("secretsmanager").create_secret(Name="app")["ARN"]
        yield dataclasses.replace(database, user=MASTER, password="master", app_user="client", app_secret_arn=arn)
    with superuser(database) as connection:
        connection.execute("DROP DATABASE app WITH (FORCE)")
        connection.execute("CREATE DATABASE app")
        for role in (*appuser.logins("client"), "client", MASTER):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


@pytest.fixture
def migration(monkeypatch: pytest.MonkeyPatch) -> Migrate:
    """Return a function that migrates as a task does, but in this process, where Secrets Manager is mocked."""

    def migrate(settings: Settings, backend: Path = BACKEND, hours: int = 24) -> str:
        said: list[str] = []
        monkeypatch.setattr(alembic.config.Config, "print_stdout", lambda _, text, *args: said.append(text % args))
        for name, value in {
            "HOST": settings.host,
            "PORT": str(settings.port),
            "NAME": settings.name,
            "USER": settings.user,
            "PASSWORD": settings.password,
            "SSLMODE": settings.sslmode,
            "APP_USER": settings.app_user,
            "APP_SECRET_ARN": settings.app_secret_arn,
            "APP_ROTATE_HOURS": str(hours),
        }.items():
            monkeypatch.setenv(f"DATABASE_{name}", value)
        monkeypatch.chdir(backend)
        alembic.config.main(["upgrade", "head"])
        return "\n".join(said)

    return migrate


def kept(settings: Settings) -> Login:
    found = secret.read(settings.app_secret_arn)
    assert found is not None
    return found.login


def client(settings: Settings) -> Settings:
    """Return what the application's container is told: no user and no password, only where they are kept."""
    return dataclasses.replace(
        settings, user="", password="", secret_arn=settings.app_secret_arn, app_user="", app_secret_arn=""
    )


def superuser(settings: Settings) -> psycopg.Connection[Any]:
    """Connect as the user that the server was made with."""
    return psycopg.connect(admin(dataclasses.replace(settings, password=PASSWORD)), autocommit=True)


def expiry(settings: Settings, user: str) -> datetime | None:
    with superuser(settings) as connection:
        found = connection.execute(
            "SELECT CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END FROM pg_roles WHERE rolname = %s", (user,)
        ).fetchone()
    assert found is not None
    until: datetime | None = found[0]
    return until


def test_the_application_works_as_a_user_that_owns_nothing(master: Settings, migration: Migrate) -> None:
    migration(master)
    app = TestClient(create_app(client(master)))
    assert app.post("/api/items", json={"name": "bread"}).status_code == 201
    assert [item["name"] for item in app.get("/api/items").json()] == ["bread"]
    with database.open_as(master, kept(master)) as connection:
        rights = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert rights == (False,) * 5
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE pg_has_role(current_user, relowner, 'USAGE')"
        ).fetchone()
        assert owned == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "DROP TABLE items",
        "ALTER TABLE items ADD COLUMN mine integer",
        "TRUNCATE items",
        "SELECT * FROM alembic_version",
        "UPDATE alembic_version SET version_num = '0000'",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        f"SET ROLE {MASTER}",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_what_the_application_has_no_right_to(master: Settings, migration: Migrate, statement: LiteralString) -> None:
    migration(master)
    with database.open_as(master, kept(master)) as connection:
        connection.autocommit = True  # which some of these ask for
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_a_young_password_stays(master: Settings, migration: Migrate) -> None:
    assert "the application's user is client_a now" in migration(master)
    before = kept(master)
    assert "stays: it is not 24 h old" in migration(master)
    assert kept(master) == before


def test_a_rotation_leaves_the_password_before_for_a_while(master: Settings, migration: Migrate) -> None:
    migration(master)
    first = kept(master)
    migration(master, hours=0)
    second = kept(master)
    assert (first.user, second.user) == appuser.logins("client")
    assert appuser.opens(master, first)
    assert appuser.opens(master, second)
    until = expiry(master, first.user)
    assert until is not None
    assert until - datetime.now(UTC) <= appuser.OVERLAP
    assert expiry(master, second.user) is None
    with superuser(master) as connection:
        connection.execute("ALTER ROLE client_a VALID UNTIL '2020-01-01'")
    assert not appuser.opens(master, first), "its time is over"
    migration(master, hours=0)
    third = kept(master)
    assert third.user == first.user
    assert appuser.opens(master, third)
    assert not appuser.opens(master, first)


def test_running_tasks_go_on_through_rotations(master: Settings, migration: Migrate) -> None:
    migration(master)
    settings = client(master)
    credentials = database.Credentials(settings)
    database.connect(settings, credentials).close()
    for _ in range(4):  # each password is refused at the latest by the second rotation after it
        migration(master, hours=0)
        migration(master, hours=0)
        database.connect(settings, credentials).close()


def test_a_password_that_is_rotated_between_reading_and_using_it(
    master: Settings, migration: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration(master)
    settings = client(master)
    credentials = database.Credentials(settings)
    credentials.current()
    migration(master, hours=0)
    migration(master, hours=0)
    read, late = secret.read, iter([True])

    def slow(arn: str) -> secret.Kept | None:
        found = read(arn)
        if next(late, False):
            migration(master, hours=0)
            migration(master, hours=0)
        return found

    monkeypatch.setattr(secret, "read", slow)
    with contextlib.closing(database.connect(settings, credentials)):
        pass


def test_the_secret_opens_the_database_at_every_moment(
    master: Settings, migration: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration(master)
    write = secret.write

    def watched(arn: str, login: Login) -> None:
        assert appuser.opens(master, kept(master)), "before it is written"
        assert appuser.opens(master, login), "what is about to be written"
        write(arn, login)

    monkeypatch.setattr(secret, "write", watched)
    migration(master, hours=0)
    assert appuser.opens(master, kept(master))


def test_what_a_snapshot_brings_back_is_given_a_password(master: Settings, migration: Migrate) -> None:
    migration(master)
    lost = Login("client_a", "of another time")
    secret.write(master.app_secret_arn, lost)
    migration(master)
    assert kept(master) != lost
    assert appuser.opens(master, kept(master))


def test_a_secret_that_cannot_be_written(master: Settings, migration: Migrate, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_arn: str, _login: Login) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutSecretValue")

    with monkeypatch.context() as patched:
        patched.setattr(secret, "write", denied)
        with pytest.raises(ClientError):
            migration(master)
    migration(master)
    before = kept(master)
    monkeypatch.setattr(secret, "write", denied)
    assert "the password stays, since another could not be kept" in migration(master, hours=0)
    assert kept(master) == before
    assert appuser.opens(master, before)


def test_what_a_later_migration_makes_is_the_applications_too(
    master: Settings, migration: Migrate, tmp_path: Path
) -> None:
    migration(master)
    newer = image(tmp_path / "newer", "0002")
    file = newer / "migrations" / "versions" / "0002.py"
    file.write_text(
        "from alembic import op\nimport sqlalchemy as sa\n"
        + file.read_text().replace("pass", 'op.create_table("more", sa.Column("id", sa.Integer, primary_key=True))')
    )
    migration(master, newer)
    with database.open_as(master, kept(master)) as connection:
        connection.execute("INSERT INTO more DEFAULT VALUES")
    migration(master, hours=0)  # the image before, on the schema of the newer one
    with database.open_as(master, kept(master)) as connection:
        connection.execute("SELECT * FROM more")


def test_no_log_of_the_server_sees_a_password(
    master: Settings, migration: Migrate, capfd: pytest.CaptureFixture[str]
) -> None:
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def noted(self: psycopg.Connection[Any], query: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        statements.append(query.as_string(self) if isinstance(query, sql.Composable) else str(query))
        return execute(self, query, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", noted)
        migration(master)
    password = kept(master).password
    assert any("SCRAM-SHA-256$" in statement for statement in statements)
    assert not any(password in statement for statement in statements)
    out, err = capfd.readouterr()
    assert password not in out + err


def test_another_name_for_the_user(master: Settings, migration: Migrate) -> None:
    migration(master)
    migration(dataclasses.replace(master, app_user="other"))
    assert kept(master).user == "other_a"
    with psycopg.connect(
        admin(dataclasses.replace(master, password=PASSWORD)).replace("=postgres", "=app")
    ) as connection:
        connection.execute("DROP OWNED BY other")
        connection.execute("DROP ROLE other_a, other")


def test_old() -> None:
    hour_ago = secret.Kept(Login("a", "b"), datetime.now(UTC) - timedelta(hours=1))
    assert appuser.old(hour_ago, 1)
    assert not appuser.old(hour_ago, 2)


def test_the_form_of_the_secret_is_that_of_rds(master: Settings, migration: Migrate) -> None:
    migration(master)
    value = boto3.client("secretsmanager").get_secret_value(SecretId=master.app_secret_arn)["SecretString"]
    assert sorted(json.loads(value)) == ["password", "username"]
