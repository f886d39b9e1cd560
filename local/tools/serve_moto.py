"""Starts moto's server. Its options are moto's own.

Five things that moto does otherwise than AWS are mended here, since the provider meets them:

- moto gives every database instance the same resource id. Here each has its own: the provider finds an instance by it,
  and two stacks of one account would take one for the other.
- It forgets what a rule of a security group is described as where the rule names another group.
- It forgets the tags of what Application Auto Scaling scales, and knows no call that asks for them.
- It does not say that a parameter of a parameter group was set by its user, without which the provider overlooks it.
- It refuses to create a DNS record again that was deleted, where the zone holds any record behind it.

The second to the fourth would show as drift, and as changes after every refresh.
"""

import copy
import json
import secrets
import string
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.rds.models import DBInstance, DBParameterGroup
from moto.route53.models import Route53Backend
from moto.server import main

if TYPE_CHECKING:
    from moto.applicationautoscaling.models import FakeScalableTarget

RESOURCE_ID_LENGTH = 26
made = DBInstance.__init__
updated = DBParameterGroup.update_parameters
registered = ApplicationAutoScalingResponse.register_scalable_target
changed = Route53Backend.change_resource_record_sets


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


def change(self: Route53Backend, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    """Change records, and forget of those that go that they were ever made."""
    asked = copy.deepcopy(change_list)
    changed(self, zoneid, change_list)
    gone = [identity(one) for one in asked if one["Action"] == "DELETE"]
    journal = self.get_hosted_zone(zoneid).rr_changes
    journal[:] = [one for one in journal if identity(one) not in gone]


def identity(one: dict[str, Any]) -> tuple[str, str]:
    """Tell which record a change is of."""
    record = one["ResourceRecordSet"]
    return record["Name"].strip("."), record["Type"]


ApplicationAutoScalingResponse.register_scalable_target = register
ApplicationAutoScalingResponse.list_tags_for_resource = list_tags
ApplicationAutoScalingResponse.tag_resource = tag
ApplicationAutoScalingResponse.untag_resource = untag
DBInstance.__init__ = make
DBParameterGroup.update_parameters = update
Route53Backend.change_resource_record_sets = change
SecurityGroupRule.description = property(describe)
main(sys.argv[1:])
