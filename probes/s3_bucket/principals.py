"""Whether those who have to get in do: IAM's simulation of who asks, and the bucket's own policy.

Sources: IAM User Guide, "Policy evaluation logic" (one explicit Deny decides; within an account an
Allow of either side is enough, from another account both have to allow) and "Testing IAM policies"
(the simulation knows the identity's policies, its boundary and the organization's, and not the
resource's: "allowed" is no proof).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cockpit.connect.aws.answer import Answer, answers_into
from cockpit.connect.aws.lockout import PolicyCaller, about, applies
from cockpit.connect.aws.resource_policy import PolicyStatement, matches, statements_of
from cockpit.connect.session import AwsReads
from cockpit.errors import BlindError, Reason
from cockpit.text import SafeText, visible
from probes.s3_bucket.model import PrincipalAccess

ALLOWED, DENIED, UNKNOWN = "allowed", "denied", "unknown"


class OrganizationDetail(Answer, frozen=True):
    """Whether the organization's policies let it through."""

    allowed_by_organizations: bool = True


class BoundaryDetail(Answer, frozen=True):
    """Whether the permissions boundary lets it through."""

    allowed_by_permissions_boundary: bool = True


class EvaluationRow(Answer, frozen=True):
    """What the simulation decided."""

    of = "iam.EvaluationResult"
    eval_action_name: SafeText = ""
    eval_decision: SafeText = ""
    organizations_decision_detail: OrganizationDetail = OrganizationDetail()
    permissions_boundary_decision_detail: BoundaryDetail = BoundaryDetail()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who has to be able to do what, on which object."""

    principal: str
    action: str
    key: str
    """Empty: any object."""
    bucket: str
    account: str
    """The bucket's, as far as is known."""

    @property
    def resource(self) -> str:
        """The object's ARN."""
        parts = self.principal.split(":")
        partition = parts[1] if len(parts) > 5 else "aws"
        return f"arn:{partition}:s3:::{self.bucket}/{self.key or '*'}"

    @property
    def owner(self) -> str:
        """The principal's account; empty for a service."""
        parts = self.principal.split(":")
        return parts[4] if len(parts) > 5 else ""


async def decided(aws: AwsReads, wanted: Wanted, policy: str | None) -> PrincipalAccess:
    """Whether it gets in. `policy` None: not known. Raises `BlindError` when IAM does not tell."""
    own = ByPolicy(wanted, policy)
    if own.denied:
        return _told(wanted, DENIED, "a Deny of the bucket's policy", own.denied)
    if not wanted.owner or wanted.owner != wanted.account:
        return _outsider(wanted, own)
    try:
        row = await _simulated(aws, wanted)
    except BlindError as error:
        if error.reason is not Reason.MISSING:
            raise
        return _told(wanted, DENIED, "there is no such role or user")
    return _insider(wanted, own, row)


def _outsider(wanted: Wanted, own: ByPolicy) -> PrincipalAccess:
    """A service, or somebody of another account: without the policy's Allow nothing goes."""
    if own.unknown or (own.allowed is None):
        return _told(wanted, UNKNOWN, "the bucket's policy")
    if own.allowed:
        layer = "the bucket's policy" if not wanted.owner else "the bucket's policy, of both sides"
        return _told(wanted, ALLOWED, layer)
    return _told(wanted, DENIED, "no statement of the bucket's policy allows it")


def _insider(wanted: Wanted, own: ByPolicy, row: EvaluationRow) -> PrincipalAccess:
    if not row.organizations_decision_detail.allowed_by_organizations:
        return _told(wanted, DENIED, "a policy of the organization")
    if not row.permissions_boundary_decision_detail.allowed_by_permissions_boundary:
        return _told(wanted, DENIED, "its permissions boundary")
    match row.eval_decision:
        case "explicitDeny":
            return _told(wanted, DENIED, "a Deny of its own policies")
        case "allowed":
            return _told(wanted, UNKNOWN if own.unknown else ALLOWED, "its own policies")
        case "implicitDeny" if own.allowed:
            return _told(wanted, ALLOWED, "the bucket's policy")
        case "implicitDeny" if own.unknown or own.allowed is None:
            return _told(wanted, UNKNOWN, "the bucket's policy")
        case "implicitDeny" if wanted.key:
            return _told(wanted, DENIED, "no policy allows it, neither its own nor the bucket's")
        case "implicitDeny":
            return _told(wanted, UNKNOWN, "its rights may be for a part: name a sample object")
        case other:
            return _told(wanted, UNKNOWN, f"IAM says {other or 'nothing'}")


def _told(wanted: Wanted, decision: str, layer: str, statement: str = "") -> PrincipalAccess:
    return PrincipalAccess(
        principal=wanted.principal,
        action=wanted.action,
        decision=decision,
        layer=layer,
        statement=statement,
    )


class ByPolicy:
    """What the bucket's policy says of somebody."""

    def __init__(self, wanted: Wanted, policy: str | None) -> None:
        statements = statements_of(policy) if policy else ()
        who = PolicyCaller(wanted.owner, wanted.principal)
        meant = [s for s in statements if s.covers(wanted.action) and about(s, who)]
        held = [(each, applies(each, who, {}), _on(each, wanted)) for each in meant]
        self.unknown = policy is None
        self.denied = next(
            (visible(s.name) for s, holds, on in held if not s.allows and holds and on), ""
        )
        """The Deny that certainly holds; one whose condition is not known is none."""
        allows = [holds if on else None for s, holds, on in held if s.allows and holds is not False]
        self.allowed = True if True in allows else None if allows else False


def _on(statement: PolicyStatement, wanted: Wanted) -> bool:
    """Whether a statement is about the object; about every object, where none is named."""
    found = any(matches(each, wanted.resource, exactly=True) for each in statement.resources)
    return found is not statement.not_resources


async def _simulated(aws: AwsReads, wanted: Wanted) -> EvaluationRow:
    answer = await aws.read(
        "iam",
        "SimulatePrincipalPolicy",
        expect="EvaluationResults",
        PolicySourceArn=wanted.principal,
        ActionNames=[wanted.action],
        ResourceArns=[wanted.resource],
    )
    rows = answers_into(answer["EvaluationResults"], EvaluationRow)
    if not rows:
        raise BlindError(Reason.UNREADABLE, "iam.SimulatePrincipalPolicy decides nothing")
    return rows[0]


def all_wanted(
    readers: Sequence[str], writers: Sequence[str], *, bucket: str, account: str, key: str
) -> Iterator[Wanted]:
    """What the configuration says that must be possible."""
    for principals, action in ((readers, "s3:GetObject"), (writers, "s3:PutObject")):
        for each in principals:
            yield Wanted(each, action, key, bucket, account)
