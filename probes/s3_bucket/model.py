"""What looks at a bucket hold. Runbook steps capture from these records by name.

Source: S3 User Guide, "Blocking public access" (the most restrictive of account, bucket and access
point counts; two of the four settings stop new grants only, two neutralise what there is).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cockpit.connect.session import Series
from probes.answers import Gap
from probes.metrics import NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Block Public Access at one level."""

    known: bool = False
    """False: it could not be read, and nothing is known of it."""
    set: bool = False
    """False: there is none, which is all four off."""
    block_acls: bool = False
    block_policy: bool = False
    """These two stop new grants only."""
    ignore_acls: bool = False
    restrict: bool = False
    """These two neutralise what was granted already."""

    @property
    def whole(self) -> bool:
        """Whether all four are on."""
        return self.block_acls and self.block_policy and self.ignore_acls and self.restrict

    @property
    def off(self) -> str:
        """What is off, as AWS names it."""
        named = {
            "BlockPublicAcls": self.block_acls,
            "BlockPublicPolicy": self.block_policy,
            "IgnorePublicAcls": self.ignore_acls,
            "RestrictPublicBuckets": self.restrict,
        }
        return ", ".join(name for name, on in named.items() if not on)


def both(one: Block, other: Block) -> Block:
    """What two levels do together; known only when both are, or when one has all four on."""
    return Block(
        known=(one.known and other.known) or one.whole or other.whole,
        set=one.set or other.set,
        block_acls=one.block_acls or other.block_acls,
        block_policy=one.block_policy or other.block_policy,
        ignore_acls=one.ignore_acls or other.ignore_acls,
        restrict=one.restrict or other.restrict,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGrant:
    """A statement of the bucket's policy, in words."""

    name: str
    """Its Sid, else its place."""
    allows: bool
    who: str
    what: str
    condition: str = ""
    public: bool = False
    """By its text: everybody is let through."""
    reads: bool = False
    writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AclGrant:
    """A grant of the bucket's ACL."""

    who: str
    permission: str
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """Another door to the bucket, with a policy and a block of its own."""

    name: str
    origin: str = ""
    public: bool | None = None
    """By its policy, as S3 says; None: not known."""
    block: Block = Block()


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketChange:
    """A call that changed who may, as CloudTrail tells."""

    at: datetime
    event: str
    actor: str = ""
    policy: str = ""
    """What was put, in one line; empty: none, or it is not told whole."""
    whole: bool = True
    """False: CloudTrail, or a mask for secrets, left a part of the policy out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One look at who can get in."""

    at: datetime
    name: str
    account: str = ""
    """Ours: whose account-wide block counts."""
    intended: str = "private"
    block: Block = Block()
    account_block: Block = Block()
    policy: str = ""
    """The policy in one line; empty: there is none, or it is not known (`gaps` says)."""
    policy_known: bool = False
    public: bool | None = None
    """Whether S3 calls the policy public; None: not told."""
    grants: tuple[PolicyGrant, ...] = ()
    closed_policy: str = ""
    """The policy without what is open to everybody; empty: nothing would be left, or nothing is
    open by its text."""
    acl_known: bool = False
    acl: tuple[AclGrant, ...] = ()
    ownership: str = ""
    """Read of what shall be public and is not by policy: `BucketOwnerEnforced` has no ACLs."""
    access_points: tuple[AccessPoint, ...] = ()
    changes: tuple[BucketChange, ...] = ()
    """Newest first; read only when something is open or closed that should not be."""
    block_removed: datetime | None = None
    """When the cockpit saw the bucket's block go."""
    downloaded: Series = NO_DATA
    downloaded_yesterday: Series = NO_DATA
    """Bytes; asked only of what is open."""
    filter: str = ""
    """The metrics configuration that counts requests; empty: there is none."""
    gaps: tuple[Gap, ...] = ()

    @property
    def blocks(self) -> Block:
        """What account and bucket do together."""
        return both(self.block, self.account_block)

    @property
    def open_grants(self) -> tuple[PolicyGrant, ...]:
        """Statements that are open to everybody by their text."""
        return tuple(each for each in self.grants if each.public)

    @property
    def policy_public(self) -> bool:
        """S3's own word where there is one, else what the text says."""
        return bool(self.open_grants) if self.public is None else self.public

    @property
    def open_acl(self) -> tuple[AclGrant, ...]:
        """Grants to everybody, or to everybody who has any AWS account."""
        return tuple(each for each in self.acl if each.public)

    @property
    def readable(self) -> bool:
        """Whether everybody can read by policy or ACL of the bucket, as far as that is seen."""
        by_policy = self.policy_public and not self.blocks.restrict
        by_policy &= not self.grants or any(each.reads for each in self.open_grants)
        acl = any(each.permission in {"READ", "FULL_CONTROL"} for each in self.open_acl)
        return by_policy or (acl and not self.blocks.ignore_acls)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalAccess:
    """Whether somebody who has to be able to do something is able to."""

    principal: str
    action: str
    decision: str
    """`allowed`, `denied`, or `unknown`."""
    layer: str = ""
    """What decides: the bucket's policy, the identity's, a boundary, the organization."""
    statement: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """The key that objects are encrypted with by default."""

    id: str
    state: str = ""
    """Empty: not known."""
    manager: str = ""
    """`AWS`, or `CUSTOMER`."""
    deletion: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One look at whether those get in who must."""

    at: datetime
    name: str
    account: str = ""
    policy: str = ""
    policy_known: bool = False
    previous_policy: str = ""
    """What was in force before, by CloudTrail, where it may be put back: empty: not known, or it
    is open to everybody."""
    previous_known_by: str = ""
    previous_refused: str = ""
    """Why the policy from before is known and is not offered."""
    principals: tuple[PrincipalAccess, ...] = ()
    key: EncryptionKey | None = None
    changes: tuple[BucketChange, ...] = ()
    policy_changed: datetime | None = None
    """When the cockpit saw another policy than at the look before."""
    requests: Series = NO_DATA
    refused: Series = NO_DATA
    failed: Series = NO_DATA
    filter: str = ""
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationRule:
    """One rule of where copies go."""

    id: str
    status: str
    destination: str = ""
    measured: bool = False
    """Whether S3 publishes metrics of it."""
    latency: Series = NO_DATA
    """Seconds."""
    pending: Series = NO_DATA
    failed: Series = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """One look at what protects the data, and whether the newest are there."""

    at: datetime
    name: str
    important: bool = False
    versioning: str = ""
    """`Enabled`, `Suspended`, or empty: never switched on."""
    logging: str = ""
    """The bucket that access logs go to; empty: nowhere."""
    tls_only: bool = False
    rules: tuple[ReplicationRule, ...] = ()
    prefix: str = ""
    """What was looked for, with the moment filled in."""
    prefix_every: float = 0
    prefix_holds: str = "data"
    newest: datetime | None = None
    """The newest object there; None: there is none, or not known (`prefix_known`)."""
    newest_size: int | None = None
    prefix_known: bool = False
    """False: not asked, denied, or there are more objects than one page shows."""
    known: tuple[str, ...] = ()
    """Which of versioning, logging, policy and replication were read."""
    gaps: tuple[Gap, ...] = ()
