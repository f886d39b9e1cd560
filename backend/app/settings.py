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
    secret_arn: str  # where the password can be read again after a rotation; empty for nowhere

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
        )
