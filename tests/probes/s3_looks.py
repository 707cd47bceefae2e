"""Looks at buckets, in short words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from cockpit.triage.finding import Severity
from probes.s3_bucket.model import (
    Access,
    AclGrant,
    Block,
    BucketChange,
    Exposure,
    PolicyGrant,
    PrincipalAccess,
    ReplicationRule,
    Upkeep,
)
from tests.probes.fake_aws import AT, ago, minutes

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/web"
WHOLE = Block(
    known=True, set=True, block_acls=True, block_policy=True, ignore_acls=True, restrict=True
)
NONE = Block(known=True)
OPEN = PolicyGrant(name="web", allows=True, who="*", what="s3:GetObject", public=True, reads=True)
ALL = replace(OPEN, what="s3:*", writes=True)
OURS = PolicyGrant(name="ours", allows=True, who=ROLE, what="s3:GetObject", reads=True)
EVERYBODY = AclGrant(who="everybody", permission="READ", public=True)


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(principal: Any = "*", **more: Any) -> dict[str, Any]:
    base = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject"}
    return {**base, "Resource": "arn:aws:s3:::shop/*", **more}


def exposure(**changes: Any) -> Exposure:
    """A private bucket that is well."""
    base = Exposure(
        at=AT,
        name="shop",
        account=ACCOUNT,
        block=WHOLE,
        account_block=NONE,
        public=False,
        policy_known=True,
        acl_known=True,
    )
    return replace(base, **changes)


def opened(**changes: Any) -> Exposure:
    """A private bucket whose policy lets everybody read, with nothing in between."""
    return exposure(**{"block": NONE, "public": True, "grants": (OPEN,), **changes})


def access(**changes: Any) -> Access:
    """A bucket that its readers reach: 100 requests a minute."""
    base = Access(
        at=AT,
        name="shop",
        account=ACCOUNT,
        policy_known=True,
        principals=(PrincipalAccess(principal=ROLE, action="s3:GetObject", decision="allowed"),),
        requests=minutes(*[100] * 180),
        refused=minutes(*[0] * 180),
        failed=minutes(*[0] * 180),
        filter="whole",
    )
    return replace(base, **changes)


def upkeep(**changes: Any) -> Upkeep:
    """A bucket that has all that protects data."""
    rule = ReplicationRule(
        id="all",
        status="Enabled",
        destination="copy",
        measured=True,
        latency=minutes(*[20] * 30),
        pending=minutes(*[1] * 30),
    )
    base = Upkeep(
        at=AT,
        name="shop",
        versioning="Enabled",
        logging="logs",
        tls_only=True,
        rules=(rule,),
        known=("versioning", "logging", "policy", "replication"),
    )
    return replace(base, **changes)


def put(minutes_ago: float, text: str, **changes: Any) -> BucketChange:
    """A policy was put."""
    made = BucketChange(
        at=ago(minutes=minutes_ago), event="PutBucketPolicy", actor="anna", policy=text
    )
    return replace(made, **changes)
