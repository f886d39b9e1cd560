"""A real PostgreSQL for the tests: started from the machine's own binaries, ended by its process id."""

import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings

BACKEND = Path(__file__).parent.parent
PASSWORD = "first-password"


def binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.exit("PostgreSQL is not installed: run `apt-get install postgresql`", returncode=2)
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server() -> Iterator[Settings]:
    """Run a server on loopback with a database and a user `app`; PostgreSQL refuses to run as root."""
    bin_dir = binaries()
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        os.chown(temp, user.pw_uid, user.pw_gid)
        data, port = Path(temp) / "data", free_port()
        password_file = Path(temp) / "password"
        password_file.write_text(PASSWORD)
        os.chown(password_file, user.pw_uid, user.pw_gid)
        run_as = {"user": user.pw_uid, "group": user.pw_gid} if os.getuid() == 0 else {}
        subprocess.run(
            [
                bin_dir / "initdb",
                "-D",
                data,
                "-U",
                "app",
                "--pwfile",
                password_file,
                "-A",
                "scram-sha-256",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **run_as,  # type: ignore[call-overload]
        )
        options = ["-p", str(port), "-h", "127.0.0.1", "-k", temp, "-c", "fsync=off"]
        process = subprocess.Popen(
            [bin_dir / "postgres", "-D", data, *options],
            stderr=subprocess.DEVNULL,
            cwd="/",
            **run_as,  # type: ignore[call-overload]
        )
        settings = Settings("abc123", "127.0.0.1", port, "app", "app", PASSWORD, "disable", "", "")
        try:
            wait_for(settings)
            with psycopg.connect(admin(settings), autocommit=True) as connection:
                connection.execute("CREATE DATABASE app")
            yield settings
        finally:
            process.terminate()
            process.wait(30)


def admin(settings: Settings) -> str:
    return f"host=127.0.0.1 port={settings.port} dbname=postgres user=app password={settings.password}"


def wait_for(settings: Settings) -> None:
    for _ in range(300):
        try:
            psycopg.connect(admin(settings)).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not start")


def environment(settings: Settings) -> dict[str, str]:
    """Write the settings as a task definition does."""
    return {
        **os.environ,
        "DATABASE_HOST": settings.host,
        "DATABASE_PORT": str(settings.port),
        "DATABASE_NAME": settings.name,
        "DATABASE_USER": settings.user,
        "DATABASE_PASSWORD": settings.password,
        "DATABASE_SSLMODE": settings.sslmode,
        "DATABASE_SSLROOTCERT": "",
        "REVISION": settings.revision,
    }


@pytest.fixture
def database(server: Settings) -> Settings:
    """Give a test an empty database."""
    with psycopg.connect(admin(server), autocommit=True) as connection:
        connection.execute("DROP DATABASE app WITH (FORCE)")
        connection.execute("CREATE DATABASE app")
    return server


def migrate(settings: Settings, *args: str, backend: Path = BACKEND) -> subprocess.Popen[str]:
    """Start the migration as the task definition does, of the image whose folder is given."""
    return subprocess.Popen(
        ["python", "-m", "alembic", *(args or ("upgrade", "head"))],
        cwd=backend,
        env={**environment(settings), "PATH": f"{BACKEND}/.venv/bin:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def client(database: Settings) -> TestClient:
    """Give a test the application over a migrated database."""
    process = migrate(database)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return TestClient(create_app(database))
