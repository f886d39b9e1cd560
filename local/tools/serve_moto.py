"""Starts moto's server. Its options are moto's own.

moto gives every database instance the same resource id. Here each has its own, as on AWS: the provider finds an
instance by it, and two stacks of one account would take one for the other.
"""

import secrets
import string
import sys

from moto.rds.models import DBInstance
from moto.server import main

RESOURCE_ID_LENGTH = 26
made = DBInstance.__init__


def make(self: DBInstance, *args: object, **kwargs: object) -> None:
    """Make an instance with a resource id of its own."""
    made(self, *args, **kwargs)
    letters = string.ascii_uppercase + string.digits
    self.dbi_resource_id = "db-" + "".join(secrets.choice(letters) for _ in range(RESOURCE_ID_LENGTH))


DBInstance.__init__ = make
main(sys.argv[1:])
