"""Four regions at one screen, and one of them answers nothing: the others are seen as if it were not
there, and which one it is stands in one line.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cockpit.cli.tui import _read
from cockpit.triage.probe import Blind, Reading
from tests.e2e.seat import seated
from tests.moto_server import moto_server

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1")
DEAD = "eu-west-1"
PLACE = """
[aws.{region}]
region = "{region}"
endpoint_url = "http://127.0.0.1:{port}"
access_key_id = "env:REGIONS_KEY"
secret_access_key = "env:REGIONS_KEY"
[[target]]
kind = "alarms"
name = "alarms-{region}"
aws = "{region}"
[[target]]
kind = "dynamodb_table"
name = "carts-{region}"
aws = "{region}"
id = "carts"
[[target]]
kind = "lambda_function"
name = "mail-{region}"
aws = "{region}"
id = "mail"
"""


def _broken(port: int, region: str) -> None:
    """An alarm that rings, and a table that is well."""
    alarms, tables = (_client(port, region, service) for service in ("cloudwatch", "dynamodb"))
    alarms.put_metric_alarm(
        AlarmName="shop-5xx", Namespace="Shop", MetricName="5xx", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    alarms.set_alarm_state(AlarmName="shop-5xx", StateValue="ALARM", StateReason="41% 5xx")
    tables.create_table(
        TableName="carts",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _client(port: int, region: str, service: str) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id="writer",
        aws_secret_access_key="writer",
    )


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Three regions at one server, and one whose address takes connections and says nothing."""
    monkeypatch.setenv("REGIONS_KEY", "regionsregionsregions")
    with moto_server() as port, closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1024)
        text = ['environment = "prod"']
        for region in REGIONS:
            at = silent.getsockname()[1] if region == DEAD else port
            text.append(PLACE.format(region=region, port=at))
            if region != DEAD:
                _broken(port, region)
        path = tmp_path / "cockpit.toml"
        path.write_text("\n".join(text))
        yield path


async def test_one_region_that_is_dead_blinds_its_own_rows_only(
    configuration: Path, tmp_path: Path
) -> None:
    desk = await _read(configuration, "triage", folder=tmp_path / "data").create("slow", "P1")
    async with seated(desk, (80, 24)) as seat:
        await seat.sees(" BLIND  eu-west-1: no look there sees anything (timeout 3)", 60)
        unseen = {reading.target for reading in desk.board.blind() if not _is_found(reading)}
        assert unseen == {f"{name}-{DEAD}" for name in ("alarms", "carts", "mail")}
        found = {(one.id.code, one.target) for one in desk.board.open.values()}
        for region in REGIONS:
            seen = region != DEAD
            assert (("ALARM_FIRING", f"alarms-{region}") in found) is seen
            assert (("LAMBDA_FUNCTION_MISSING", f"mail-{region}") in found) is seen
        await seat.press("2", "v", "z")
        rows = [line.strip("│ ") for line in seat.screen.splitlines()]
        assert [row.partition(" · ")[0] for row in rows if "all blind" in row] == [
            f"? {DEAD}  3, all blind"
        ]


def _is_found(reading: Reading) -> bool:
    """A function that is not there was looked for, and an answer came."""
    return isinstance(reading.outcome, Blind) and reading.outcome.finding is not None
