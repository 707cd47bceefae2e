"""RDS: until when the engine's version is supported, and what happens then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from cockpit import clock
from cockpit.runbooks.library import library
from probes.rds import lifecycle
from probes.rds.lifecycle import LifecycleSettings
from tests.probes.fake_aws import AT, FakeAws, ago, denied, target


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


def supported(engine: str, major: str, *ends: datetime) -> dict[str, Any]:
    names = ("open-source-rds-standard-support", "open-source-rds-extended-support")
    lives = [
        {"LifecycleSupportName": name, "LifecycleSupportEndDate": end}
        for name, end in zip(names, ends, strict=False)
    ]
    return {
        "Engine": engine,
        "MajorEngineVersion": major,
        "SupportedEngineLifecycles": lives,
    }


def aws(engine: str, version: str, *rows: dict[str, Any], **own: Any) -> FakeAws:
    row = {"DBInstanceIdentifier": "orders", "Engine": engine, "EngineVersion": version, **own}
    return FakeAws(
        {"rds.DescribeDBInstances": [row], "rds.DescribeDBMajorEngineVersions": list(rows)}
    )


async def found(session: FakeAws) -> list[tuple[str, str]]:
    look = await lifecycle.collect(session, target("rds", "orders"))
    told = lifecycle.diagnose(look, LifecycleSettings())
    return [(finding.code, finding.severity.value) for finding in told]


PAID = {"EngineLifecycleSupport": "open-source-rds-extended-support"}
FREE = {"EngineLifecycleSupport": "open-source-rds-extended-support-disabled"}


@pytest.mark.parametrize(
    ("ends", "own", "expected"),
    [
        pytest.param((ago(days=-181), ago(days=-900)), PAID, [], id="half a year left"),
        pytest.param((ago(days=-180), ago(days=-900)), PAID, ["info"], id="below half a year"),
        pytest.param((ago(days=-30), ago(days=-900)), PAID, ["warning"], id="a month left"),
        pytest.param((ago(days=1), ago(days=-900)), PAID, ["info"], id="it is paid for"),
        pytest.param((ago(days=400), ago(days=-100)), PAID, ["warning"], id="that ends too"),
        pytest.param((ago(days=400), ago(days=-30)), PAID, ["high"], id="in a month"),
        pytest.param((ago(days=1), ago(days=-900)), FREE, ["high"], id="AWS upgrades it now"),
        pytest.param((), PAID, [], id="no date is told"),
    ],
)
async def test_the_end_of_support_is_told_by_what_happens_then(
    ends: tuple[datetime, ...], own: dict[str, str], expected: list[str]
) -> None:
    session = aws("postgres", "13.16", supported("postgres", "13", *ends), **own)
    assert await found(session) == [("RDS_EXTENDED_SUPPORT", each) for each in expected]


@pytest.mark.parametrize(
    ("engine", "version", "expected"),
    [
        ("mysql", "8.0.35", "8.0"),
        ("aurora-mysql", "8.0.mysql_aurora.3.04.0", "8.0"),
        ("mariadb", "10.11.9", "10.11"),
        ("postgres", "13.16", "13"),
        ("postgres", "1.2", ""),
    ],
)
async def test_the_major_version_is_the_lists_own(engine: str, version: str, expected: str) -> None:
    rows = [supported(engine, each) for each in ("8.0", "8.4", "10.1", "10.11", "13")]
    look = await lifecycle.collect(aws(engine, version, *rows), target("rds", "orders"))
    assert look.major == expected


async def test_a_cluster_is_read_where_no_instance_has_the_name() -> None:
    session = FakeAws(
        {
            "rds.DescribeDBClusters": [
                {
                    "DBClusterIdentifier": "shop",
                    "Engine": "aurora-postgresql",
                    "EngineVersion": "13.9",
                }
            ],
            "rds.DescribeDBMajorEngineVersions": [
                supported("aurora-postgresql", "13", ago(days=-9))
            ],
        }
    )
    look = await lifecycle.collect(session, target("rds", "shop"))
    (finding,) = lifecycle.diagnose(look, LifecycleSettings())
    assert "aurora-postgresql 13 ends in" in finding.summary
    (fact,) = lifecycle.facts(look, LifecycleSettings())
    assert fact.text.startswith("aurora-postgresql 13.9: until ")


async def test_a_list_that_is_denied_is_a_gap() -> None:
    session = aws("postgres", "13.16")
    session = FakeAws({**session.answers, "rds.DescribeDBMajorEngineVersions": denied()})
    assert await found(session) == [("RDS_OBS_BLIND", "info")]


def test_it_has_its_runbook() -> None:
    assert library().best("RDS_EXTENDED_SUPPORT") == "rds-instance-down"
