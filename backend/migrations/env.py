"""Run migrations, one process at a time.

Every new task migrates before it serves, so several start at once. Alembic takes no lock of its own; this one
belongs to the session and ends with it, even if the process dies.
"""

from alembic import command, context
from sqlalchemy import Connection, text

from app import appuser, schema
from app.database import make_engine
from app.models import Base
from app.settings import Settings

# Any number that nothing else in this database locks.
LOCK = 7_305_813_201


def main() -> None:
    """Bring the schema to the newest version, and the application's user with it."""
    settings = Settings.from_environment()
    engine = make_engine(settings)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            connection.commit()  # the lock outlives the transaction that took it
            migrate(connection, settings)
            if upgrading() and settings.app_user:
                context.config.print_stdout("%s", appuser.rotate(connection, settings))
    finally:
        engine.dispose()  # ends the session, and with it the lock


def migrate(connection: Connection, settings: Settings) -> None:
    """Do what alembic was asked for. A database that is ahead of the image is left as it is."""
    if upgrading() and (newer := schema.ahead(connection, context.script)):
        context.config.print_stdout(
            "the schema is at %s, newer than this image's: nothing to migrate", ", ".join(newer)
        )
        return
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
        schema.record(connection, context.script)
        if upgrading() and settings.app_user:
            appuser.grant(connection, settings.app_user)
    connection.commit()


def upgrading() -> bool:
    """Tell whether the command line is `alembic upgrade head`, which is a task's."""
    options = context.config.cmd_opts
    return options is not None and options.cmd[0] is command.upgrade and options.revision == "head"


main()
