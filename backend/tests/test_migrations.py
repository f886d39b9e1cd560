"""Migrations, as several tasks run them at once, and as releases that come and go do."""

import shutil
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from app.settings import Settings
from tests.conftest import BACKEND, admin, migrate


def versions(settings: Settings) -> list[tuple[str, ...]]:
    with psycopg.connect(admin(settings).replace("dbname=postgres", "dbname=app")) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchall()


def execute(settings: Settings, statement: LiteralString) -> None:
    with psycopg.connect(admin(settings).replace("dbname=postgres", "dbname=app")) as connection:
        connection.execute(statement)


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


def image(directory: Path, *revisions: str) -> Path:
    """Make the folder of an image with further revisions, each an empty migration after the one before."""
    shutil.copytree(BACKEND, directory, ignore=shutil.ignore_patterns(".*", "tests", "__pycache__"))
    before = "0001"
    for revision in revisions:
        file = directory / "migrations" / "versions" / f"{revision}.py"
        file.write_text(f'revision = "{revision}"\ndown_revision = "{before}"\n\n\ndef upgrade() -> None:\n    pass\n')
        before = revision
    return directory


def run(settings: Settings, backend: Path, *args: str) -> tuple[int, str]:
    process = migrate(settings, *args, backend=backend)
    log, _ = process.communicate(timeout=60)
    return process.returncode, log


def test_an_older_image_leaves_a_newer_schema_as_it_is(database: Settings, tmp_path: Path) -> None:
    newer = image(tmp_path / "newer", "0002", "0003")
    assert run(database, newer)[0] == 0
    code, log = run(database, BACKEND)
    assert code == 0, log
    assert "the schema is at 0003, newer than this image's" in log
    assert versions(database) == [("0003",)]
    code, log = run(database, newer)  # and forward again
    assert code == 0, log
    assert "newer than" not in log


def test_a_schema_of_before_anything_was_written_down_is_caught_up_with(database: Settings, tmp_path: Path) -> None:
    assert run(database, BACKEND)[0] == 0
    execute(database, "COMMENT ON TABLE alembic_version IS NULL")
    assert run(database, image(tmp_path / "newer", "0002"))[0] == 0
    assert run(database, BACKEND)[0] == 0


def test_another_line_of_migrations_is_refused(database: Settings, tmp_path: Path) -> None:
    assert run(database, image(tmp_path / "one", "0002a"))[0] == 0
    code, log = run(database, image(tmp_path / "other", "0002b"))
    assert code != 0
    assert "the database is at 0002a, which this image does not know, and has never been at 0002b" in log
    assert versions(database) == [("0002a",)]


@pytest.mark.parametrize("comment", ["NULL", "'by hand'", "'[]'"])
def test_a_revision_of_unknown_origin_is_refused(database: Settings, comment: LiteralString) -> None:
    """As when somebody has edited the table, or a migration's file was lost."""
    assert run(database, BACKEND)[0] == 0
    execute(database, f"COMMENT ON TABLE alembic_version IS {comment}")
    execute(database, "UPDATE alembic_version SET version_num = '0000'")
    code, log = run(database, BACKEND)
    assert code != 0
    assert "the database is at 0000, which this image does not know" in log


def test_only_a_task_is_content_with_a_newer_schema(database: Settings, tmp_path: Path) -> None:
    """Whoever types another command of alembic's is told that it cannot be carried out."""
    assert run(database, image(tmp_path / "newer", "0002"))[0] == 0
    code, log = run(database, BACKEND, "upgrade", "+1")
    assert code != 0, log
    assert versions(database) == [("0002",)]


def test_an_older_schema_is_migrated(database: Settings, tmp_path: Path) -> None:
    assert run(database, BACKEND)[0] == 0
    code, log = run(database, image(tmp_path / "newer", "0002"))
    assert code == 0, log
    assert versions(database) == [("0002",)]
