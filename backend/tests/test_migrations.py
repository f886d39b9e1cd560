"""Migrations, as several tasks run them at once."""

import psycopg

from app.settings import Settings
from tests.conftest import admin, migrate


def versions(settings: Settings) -> list[tuple[str, ...]]:
    with psycopg.connect(admin(settings).replace("dbname=postgres", "dbname=app")) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchall()


def test_tasks_that_start_together_migrate_once(database: Settings) -> None:
    processes = [migrate(database) for _ in range(4)]
    for process in processes:
        log, _ = process.communicate(timeout=120)
        assert process.returncode == 0, log
    assert versions(database) == [("0001",)]


def test_one_waits_while_another_migrates(database: Settings) -> None:
    with psycopg.connect(admin(database).replace("dbname=postgres", "dbname=app")) as other:
        other.execute("SELECT pg_advisory_lock(7305813201)")
        other.commit()
        process = migrate(database)
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(waiting).fetchone() is None:
            other.commit()
            assert process.poll() is None, "it did not wait for the lock"
        other.execute("SELECT pg_advisory_unlock(7305813201)")
        other.commit()
        log, _ = process.communicate(timeout=60)
        assert process.returncode == 0, log


def test_a_failing_migration_says_so_and_ends_badly(database: Settings) -> None:
    process = migrate(database, "upgrade", "nowhere")
    log, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "nowhere" in log
