"""A user's name and password in Secrets Manager, in the form in which RDS keeps its master user's."""

import json
from dataclasses import dataclass
from datetime import datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError


class UnreadableError(Exception):
    """The secret cannot be read: no right, no network, no such secret."""


@dataclass(frozen=True)
class Login:
    """Who logs in to PostgreSQL, and by what."""

    user: str
    password: str


@dataclass(frozen=True)
class Kept:
    """A login and the time at which it was written down."""

    login: Login
    since: datetime


def read(arn: str) -> Kept | None:
    """Return what the secret holds now; nothing where it has no value yet. Raises UnreadableError."""
    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        if "AWSCURRENT" in str(error):  # the secret is there, and nobody has written a value
            return None
        raise UnreadableError(f"its secret is unreadable: {error}") from error
    value = json.loads(answer["SecretString"])
    return Kept(Login(value["username"], value["password"]), answer["CreatedDate"])


def write(arn: str, login: Login) -> None:
    """Put a login into the secret, from where on it is the one in force. Raises what boto3 raises."""
    value = json.dumps({"username": login.user, "password": login.password})
    boto3.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=value)
