"""How the server is checked."""

from typing import Any

import psycopg
import pytest

from app import database
from app.settings import Settings


@pytest.mark.parametrize(("sslmode", "checked"), [("verify-full", True), ("verify-ca", True), ("require", False)])
def test_only_the_modes_that_check_the_server_name_authorities(
    monkeypatch: pytest.MonkeyPatch, *, sslmode: str, checked: bool
) -> None:
    """A file of authorities is an order to libpq to check the server, also in mode require."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(psycopg, "connect", lambda **options: seen.update(options))
    settings = Settings("abc123", "db", 5432, "app", "app", "secret", sslmode, "/certs.pem", "")
    database.connect(settings, database.Credentials(settings))
    assert seen["sslmode"] == sslmode
    assert ("sslrootcert" in seen) == checked
