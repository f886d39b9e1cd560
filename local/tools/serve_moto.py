"""Starts moto's server. Its options are moto's own.

Three things that moto does otherwise than AWS are mended here, since the provider reads them back:

- moto gives every database instance the same resource id. Here each has its own: the provider finds an instance by it,
  and two stacks of one account would take one for the other.
- It forgets what a rule of a security group is described as where the rule names another group.
- It does not say that a parameter of a parameter group was set by its user, without which the provider overlooks it.

The last two would show as drift, and as changes after every refresh.
"""

import secrets
import string
import sys
from collections.abc import Iterable

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.rds.models import DBInstance, DBParameterGroup
from moto.server import main

RESOURCE_ID_LENGTH = 26
made = DBInstance.__init__
updated = DBParameterGroup.update_parameters


def make(self: DBInstance, *args: object, **kwargs: object) -> None:
    """Make an instance with a resource id of its own."""
    made(self, *args, **kwargs)
    letters = string.ascii_uppercase + string.digits
    self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(RESOURCE_ID_LENGTH))


def update(self: DBParameterGroup, parameters: Iterable[dict[str, object]]) -> None:
    """Set parameters, as their user."""
    updated(self, [{**parameter, "Source": "user"} for parameter in parameters])


def describe(self: SecurityGroupRule) -> str | None:
    """Tell a rule's description, which stands with its peer: a range or another group."""
    return self.ip_range.get("Description") or self.source_group.get("Description")


DBInstance.__init__ = make
DBParameterGroup.update_parameters = update
SecurityGroupRule.description = property(describe)
main(sys.argv[1:])
