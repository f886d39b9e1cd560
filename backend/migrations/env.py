"""Run migrations, one process at a time.

Every new task migrates before it serves, so several start at once. Alembic takes no lock of its own; this one
belongs to the session and ends with it, even if the process dies.
"""

from alembic import context
from sqlalchemy import text

from app.database import make_engine
from app.models import Base
from app.settings import Settings

# Any number that nothing else in this database locks.
LOCK = 7_305_813_201


def main() -> None:
    """Bring the schema to the newest version."""
    engine = make_engine(Settings.from_environment())
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()  # the lock outlives the transaction that took it
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()


main()
