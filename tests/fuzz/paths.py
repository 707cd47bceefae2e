"""`python -m tests.fuzz.paths [--cases 5000] [--seed WORD]`: the probe's verdicts against packets."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from cockpit.connect.aws.settings import VpcEnd, VpcPathSettings
from cockpit.errors import BlindError, Reason
from cockpit.triage.target import Target
from probes.vpc_path.config import PROBE
from probes.vpc_path.findings import Snapshot
from tests.fuzz.cases import Case
from tests.fuzz.packets import Wires
from tests.fuzz.ranges import Range, range_of
from tests.fuzz.vpcs import Maker
from tests.probes.fake_aws import FakeAws

REASONS = {
    "PATH_SG_EGRESS_DENIED": {"egress group"},
    "PATH_SG_INGRESS_DENIED": {"ingress group"},
    "PATH_NACL_DENIED": {"acl", "acl return"},
    "PATH_NACL_EPHEMERAL_DENIED": {"acl return"},
    "PATH_NACL_EPHEMERAL_PARTIAL": {"acl return"},
    "PATH_NO_ROUTE": {"route", "nat"},
    "PATH_NO_RETURN_ROUTE": {"return route"},
    "PATH_ROUTE_BLACKHOLE": {"route", "return route", "nat"},
    "PATH_IGW_NO_PUBLIC_IP": {"gateway"},
    "PATH_IGW_DETACHED": {"gateway", "nat"},
    "PATH_PUBLIC_ACCESS_BLOCKED": {"public access"},
    "PATH_NAT_NOT_AVAILABLE": {"nat", "route", "return route"},
    "PATH_NAT_SUBNET_NOT_PUBLIC": {"nat"},
    "PATH_PEERING_NOT_ACTIVE": {"peering", "return route", "route"},
    "PATH_NOT_TRANSITIVE": {"peering", "return route"},
    "PATH_VPCS_DISCONNECTED": {"route", "return route"},
    "PATH_ENDPOINT_NOT_AVAILABLE": {"endpoint"},
    "PATH_TGW_NO_ATTACHMENT_AZ": {"transit"},
    "PATH_TGW_NOT_ASSOCIATED": {"transit"},
    "PATH_TGW_NO_ROUTE": {"transit"},
    "PATH_TGW_BLACKHOLE": {"transit"},
    "PATH_ENI_NOT_IN_USE": {"appliance"},
    "PATH_SRC_DST_CHECK": {"appliance"},
}
"""Code → the stations of the packets' world at which something must have been dropped for it."""


def answers(wires: Wires) -> dict[str, Any]:
    """The world as an AWS that answers by filter, and refuses what is unread."""

    def of(operation: str) -> Callable[..., Any]:
        def answer(**arguments: Any) -> Any:
            if operation in wires.unread:
                return BlindError(Reason.DENIED, f"not authorized: {operation}")
            rows = wires.rows[operation]
            for each in (*arguments.get("Filters", ()), *arguments.get("Filter", ())):
                rows = [
                    row for row in rows if set(_members(row, each["Name"])) & set(each["Values"])
                ]
            return rows

        return answer

    def listed(*, PrefixListId: str) -> Any:  # noqa: N803
        if PrefixListId in wires.unread:
            return BlindError(Reason.DENIED, "not authorized")
        return [{"Cidr": cidr} for cidr in wires.lists[PrefixListId]]

    def searched(*, TransitGatewayRouteTableId: str, Filters: Any) -> Any:  # noqa: N803
        to = range_of(Filters[0]["Values"][0])
        held = [r for r in wires.rows["transit routes"] if _within(to, range_of(r["Cidr"]))]
        held.sort(key=lambda row: -range_of(row["Cidr"]).prefixlen)
        return [{"State": row["State"], "DestinationCidrBlock": row["Cidr"]} for row in held[:1]]

    def options() -> Any:
        found = of("DescribeVpcBlockPublicAccessOptions")()
        return found if isinstance(found, BlindError) else found[0]

    return {
        **{f"ec2.{operation}": of(operation) for operation in wires.rows},
        "ec2.GetManagedPrefixListEntries": listed,
        "ec2.SearchTransitGatewayRoutes": searched,
        "ec2.DescribeSecurityGroupRules": [],
        "ec2.DescribeVpcBlockPublicAccessOptions": lambda: (
            {"VpcBlockPublicAccessOptions": options()}
            if not isinstance(options(), BlindError)
            else options()
        ),
    }


def _within(one: Range, other: Range) -> bool:
    return one.version == other.version and one.network_address in other


def _members(row: Any, name: str) -> list[str]:
    """The values that a filter looks at."""
    match name:
        case "group-id":
            return [one["GroupId"] for one in row["Groups"]]
        case "attachment.vpc-id":
            return [one["VpcId"] for one in row["Attachments"]]
        case "attachment.instance-id":
            return [row["Attachment"]["InstanceId"]]
        case "addresses.private-ip-address":
            return [one["PrivateIpAddress"] for one in row["PrivateIpAddresses"]]
        case "ipv6-addresses.ipv6-address":
            return [one["Ipv6Address"] for one in row.get("Ipv6Addresses", ())]
        case "resource-arn":
            return [row["ResourceArn"]]
    return [row["".join(part.title() for part in name.split("-"))]]


def told(case: Case) -> Snapshot:
    """What the probe makes of it."""
    settings = VpcPathSettings(
        aws="prod",
        source=VpcEnd(**case.source.settings),
        destination=VpcEnd(**case.destination.settings),
        port=case.port,
        protocol=case.protocol,
    )
    aws = FakeAws(answers(case.wires))
    target = Target(name="path", kind="vpc_path", settings=settings)

    async def look() -> Snapshot:
        return await PROBE.collect(aws, target)

    return asyncio.run(look())


def disagreement(seed: str) -> tuple[str, str]:
    """What packets say, and what the probe says otherwise; empty when they agree."""
    case = Maker(seed).case()
    fates = [case.wires.send(*one) for one in case.packets()]
    words = {fate.word for fate in fates} | ({"unknown"} if case.apart() else set())
    seen = told(case)
    expected = {
        frozenset({"pass"}): {"open"},
        frozenset({"drop"}): {"blocked"},
        frozenset({"pass", "drop"}): {"partly"},
        frozenset({"pass", "drop", "unknown"}): {"partly", "undetermined"},
    }.get(frozenset(words), {"undetermined"})
    drops = {reason for fate in fates for reason in fate.drops}
    unknown = {reason for fate in fates for reason in fate.unknown}
    heard = {one.code for one in seen.blockers if not one.mild}
    said = f"{seen.verdict} {sorted(heard)}"
    if seen.verdict not in expected:
        return "/".join(sorted(words)), f"{said}; drops {sorted(drops)}, unknown {sorted(unknown)}"
    far = "PATH_NAT_OTHER_AZ" in {one.code for one in seen.blockers}
    if far != any(fate.far for fate in fates):
        return "/".join(sorted(words)), f"{said}, NAT of another zone told: {far}"
    wrong = {code for code in heard if not REASONS[code] & drops}
    if wrong:
        return "/".join(
            sorted(words)
        ), f"{said}, of which wrong {sorted(wrong)}; drops {sorted(drops)}"
    return "/".join(sorted(words)), ""


def main() -> int:
    """Tell every kind of disagreement with a seed that shows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    worlds: Counter[str] = Counter()
    faults: dict[str, list[str]] = {}
    for n in range(given.cases):
        seed = f"{given.seed}/{n}"
        words, fault = disagreement(seed)
        worlds[words] += 1
        if fault:
            faults.setdefault(f"{words}: {fault}", []).append(seed)
    print(", ".join(f"{many} {words}" for words, many in worlds.most_common()))
    print(f"{given.cases} paths, {sum(map(len, faults.values()))} disagreements")
    for fault, seeds in sorted(faults.items(), key=lambda one: -len(one[1]))[:25]:
        print(f"{len(seeds):5} × {fault}\n      {seeds[0]}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
