"""Events of a day where a region has more of them than a look reads."""

from __future__ import annotations

from typing import Any

from cockpit.errors import ListTooLong, Reason
from probes.elasticache.model import Snapshot as Cache
from probes.elasticache.status import PROBE as ELASTICACHE
from probes.rds.status import PROBE as RDS
from tests.probes import test_elasticache_reading as elasticache
from tests.probes import test_rds_reading as rds
from tests.probes.fake_aws import FakeAws, ago, target

SAID = {"Message": "it failed over", "Date": ago(minutes=4)}


def of_one(**asked: Any) -> list[dict[str, Any]]:
    """What AWS tells of one source; the region's list never ends."""
    if "SourceIdentifier" not in asked:
        raise ListTooLong(Reason.UNREADABLE, "DescribeEvents: more than 2,000 Events")
    return [{"SourceIdentifier": asked["SourceIdentifier"], **SAID}]


def sources(aws: FakeAws, name: str) -> list[tuple[str, str]]:
    asked = (arguments for call, arguments in aws.calls if call == name)
    return [(each.get("SourceIdentifier", ""), each.get("SourceType", "")) for each in asked]


async def test_each_member_of_a_cluster_is_asked_for_its_own_and_the_region_not_again() -> None:
    aws = rds.aws(
        [rds.row("one"), rds.row("two")],
        [rds.cluster_row("one", "two")],
        DescribeEvents=of_one,
    )
    own = [("one", "db-instance"), ("two", "db-instance"), ("shop", "db-cluster")]
    for wanted in ([("", ""), *own], [("", ""), *own, *own]):
        look = await RDS.collect(aws, target("rds", "shop"))
        assert sorted(event.source for event in look.events) == ["one", "shop", "two"]
        assert not [gap for gap in look.gaps if gap.what == "events"]
        assert sources(aws, "rds.DescribeEvents") == wanted


async def test_a_cache_and_its_nodes_are_asked_for_their_own() -> None:
    aws = elasticache.aws(
        [elasticache.group_row("shop-001", "shop-002")],
        elasticache.BOTH,
        answers={"elasticache.DescribeEvents": of_one},
    )
    look = await ELASTICACHE.collect(aws, elasticache.TARGET)
    assert isinstance(look, Cache)
    assert len(look.events) == 3
    assert sources(aws, "elasticache.DescribeEvents") == [
        ("", ""),
        ("shop-001", "cache-cluster"),
        ("shop-002", "cache-cluster"),
        ("shop", "replication-group"),
    ]
