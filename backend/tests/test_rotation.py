"""RDS rotates the password while the application runs."""

import dataclasses
import json
from collections.abc import Iterator

import boto3
import psycopg
import pytest
from fastapi.testclient import TestClient
from moto import mock_aws
from psycopg import sql

from app.database import Credentials
from app.main import create_app
from app.settings import Settings
from tests.conftest import admin


@pytest.fixture
def rotating(database: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Keep the password in Secrets Manager, and set it back afterwards."""
    for name, value in {"REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_DEFAULT_{name}", value)
    with mock_aws():
        secret = boto3.client("secretsmanager").create_secret(
            Name="master", SecretString=json.dumps({"username": "app", "password": database.password})
        )
        yield dataclasses.replace(database, secret_arn=secret["ARN"])
    set_password(database, "second-password", database.password)


def set_password(settings: Settings, old: str, new: str) -> None:
    with psycopg.connect(admin(dataclasses.replace(settings, password=old)), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE app PASSWORD {}").format(new))


def test_a_rotated_password_is_read_again(rotating: Settings) -> None:
    client = TestClient(create_app(rotating))
    assert client.get("/api/readyz").status_code == 200
    set_password(rotating, rotating.password, "second-password")
    boto3.client("secretsmanager").put_secret_value(
        SecretId=rotating.secret_arn, SecretString=json.dumps({"username": "app", "password": "second-password"})
    )
    # The running connections live on; what fails is a new one.
    assert TestClient(create_app(rotating)).get("/api/readyz").status_code == 200


def test_requests_that_are_refused_together_all_go_on(rotating: Settings) -> None:
    set_password(rotating, rotating.password, "second-password")
    boto3.client("secretsmanager").put_secret_value(
        SecretId=rotating.secret_arn, SecretString=json.dumps({"username": "app", "password": "second-password"})
    )
    credentials = Credentials(rotating)
    old = credentials.current()
    assert credentials.renew(old)
    assert credentials.renew(old), "the second one that was refused is told that nothing is new"
    assert not credentials.renew(credentials.current())


def test_a_secret_that_cannot_be_read_is_not_ready(rotating: Settings) -> None:
    set_password(rotating, rotating.password, "second-password")
    nowhere = dataclasses.replace(rotating, secret_arn=rotating.secret_arn + "-none")
    assert TestClient(create_app(nowhere)).get("/api/readyz").status_code == 503


def test_a_wrong_password_is_not_tried_for_ever(rotating: Settings) -> None:
    set_password(rotating, rotating.password, "second-password")  # and the secret still holds the old one
    answer = TestClient(create_app(rotating)).get("/api/readyz")
    assert answer.status_code == 503
