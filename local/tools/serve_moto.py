"""Starts moto's server. Its options are moto's own.

Four things that moto does otherwise than AWS are mended here, since the provider reads them back:

- moto gives every database instance the same resource id. Here each has its own: the provider finds an instance by it,
  and two stacks of one account would take one for the other.
- It forgets what a rule of a security group is described as where the rule names another group.
- It forgets the tags of what Application Auto Scaling scales, and knows no call that asks for them.
- It does not say that a parameter of a parameter group was set by its user, without which the provider overlooks it.

The last three would show as drift, and as changes after every refresh.
"""

import json
import secrets
import string
import sys
from collections.abc import Iterable

from moto.applicationautoscaling.models import FakeScalableTarget
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.rds.models import DBInstance, DBParameterGroup
from moto.server import main

RESOURCE_ID_LENGTH = 26
made = DBInstance.__init__
updated = DBParameterGroup.update_parameters
registered = ApplicationAutoScalingResponse.register_scalable_target


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


def register(self: ApplicationAutoScalingResponse) -> str:
    """Register what is to scale, with its tags, which an update leaves alone."""
    answer = registered(self)
    tags_of(self, json.loads(answer)["ScalableTargetARN"]).update(self._get_param("Tags") or {})
    return answer


def list_tags(self: ApplicationAutoScalingResponse) -> str:
    """Tell the tags of what scales."""
    return json.dumps({"Tags": tags_of(self, self._get_param("ResourceARN"))})


def tag(self: ApplicationAutoScalingResponse) -> str:
    """Add tags to what scales."""
    tags_of(self, self._get_param("ResourceARN")).update(self._get_param("Tags"))
    return "{}"


def untag(self: ApplicationAutoScalingResponse) -> str:
    """Take tags from what scales."""
    tags = tags_of(self, self._get_param("ResourceARN"))
    for key in self._get_param("TagKeys"):
        tags.pop(key, None)
    return "{}"


def tags_of(self: ApplicationAutoScalingResponse, arn: str) -> dict[str, str]:
    """Find the tags of the scalable target of an ARN, which stand and fall with it."""
    targets: Iterable[FakeScalableTarget] = (
        target for group in self.applicationautoscaling_backend.targets.values() for target in group.values()
    )
    tags: dict[str, str] = vars(next(target for target in targets if target.arn == arn)).setdefault("tags", {})
    return tags


ApplicationAutoScalingResponse.register_scalable_target = register
ApplicationAutoScalingResponse.list_tags_for_resource = list_tags
ApplicationAutoScalingResponse.tag_resource = tag
ApplicationAutoScalingResponse.untag_resource = untag
DBInstance.__init__ = make
DBParameterGroup.update_parameters = update
SecurityGroupRule.description = property(describe)
main(sys.argv[1:])
