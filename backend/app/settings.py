"""What the task definition tells the application, read from the environment once."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Where the application runs and where its database is."""

    revision: str
    host: str
    port: int
    name: str
    user: str
    password: str
    sslmode: str  # as libpq's
    sslrootcert: str  # file of certificate authorities; empty for libpq's default
    secret_arn: str  # where user and password are kept, to be read at first and after a rotation; empty for nowhere
    # For the migration: the user that the application connects as, and whose password it rotates; empty for none.
    app_user: str = ""
    app_secret_arn: str = ""  # where that user's login is kept
    rotate_hours: int = 24  # the age at which its password is due for another

    @staticmethod
    def from_environment() -> "Settings":
        """Read the settings. A variable that is not set takes a default for development."""
        env = os.environ
        return Settings(
            revision=env.get("REVISION", "development"),
            host=env.get("DATABASE_HOST", "127.0.0.1"),
            port=int(env.get("DATABASE_PORT", "5432")),
            name=env.get("DATABASE_NAME", "app"),
            user=env.get("DATABASE_USER", "app"),
            password=env.get("DATABASE_PASSWORD", ""),
            sslmode=env.get("DATABASE_SSLMODE", "verify-full"),
            sslrootcert=env.get("DATABASE_SSLROOTCERT", ""),
            secret_arn=env.get("DATABASE_SECRET_ARN", ""),
            app_user=env.get("DATABASE_APP_USER", ""),
            app_secret_arn=env.get("DATABASE_APP_SECRET_ARN", ""),
            rotate_hours=int(env.get("DATABASE_APP_ROTATE_HOURS", "24")),
        )
