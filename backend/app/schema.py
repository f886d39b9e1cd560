"""Which schema a database has, and whether it is newer than this image.

A release that was taken back leaves its migrations in the database, and the image before does not know them. Alembic
alone ends with an error there, and so would every task of the older image. Revisions have no order of their own, so
each migration writes down, as the comment of alembic's table, all revisions that the database has gone through. Where
this image's newest one is among them, the database is ahead of the image; where not, something else is wrong.
"""

import json
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.schema import SetTableComment

VERSIONS = "alembic_version"


def ahead(connection: Connection, scripts: ScriptDirectory) -> tuple[str, ...]:
    """Return the database's revisions where they are newer than the image's newest; else nothing.

    Raises CommandError where the database's are unknown to the image, and not known to be newer.
    """
    current = MigrationContext.configure(connection).get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    unknown = sorted(set(current) - known)
    if not unknown:
        return ()
    gone_through = recorded(connection)
    if missing := sorted(set(scripts.get_heads()) - set(gone_through)):
        raise CommandError(
            f"the database is at {', '.join(unknown)}, which this image does not know, and has never been at"
            f" {', '.join(missing)}, this image's own: it is of another line of migrations, or its table {VERSIONS} was"
            f" changed by hand. It has gone through {', '.join(gone_through) or 'no revision that was written down'}"
        )
    return current


def record(connection: Connection, scripts: ScriptDirectory) -> None:
    """Write down what the database has gone through, if that is not there already."""
    current = MigrationContext.configure(connection).get_current_heads()
    lineage = sorted(script.revision for script in scripts.iterate_revisions(current, "base"))
    if lineage and lineage != recorded(connection):
        comment = json.dumps(lineage)
        connection.execute(SetTableComment(Table(VERSIONS, MetaData(), comment=comment)))


def recorded(connection: Connection) -> list[str]:
    """Return the revisions that were written down; none where there is no table or no such comment."""
    statement = text("SELECT obj_description(to_regclass(:table), 'pg_class')")
    comment: Any = connection.scalar(statement, {"table": VERSIONS})
    try:
        found = json.loads(comment or "[]")
    except json.JSONDecodeError:
        return []
    return [str(revision) for revision in found] if isinstance(found, list) else []
