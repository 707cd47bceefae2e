"""Recorded looks at paths as a drill-down shows them in 80 columns: nothing that decides is cut."""

from __future__ import annotations

import pytest

from cockpit.triage import recording
from cockpit.triage.registry import registry
from cockpit.triage.view import Table
from screens.present import table as present
from tests.recorded import FOLDER

INSIDE = 76
"""Cells that a terminal of 80 leaves to a table."""


def shown(name: str, probe: str, title: str) -> list[str]:
    chosen = registry()[probe]
    look = recording.decode((FOLDER / f"{name}.json").read_bytes(), chosen.snapshot)
    assert chosen.tables is not None
    tables = chosen.tables(look, chosen.settings)
    return drawn(next(one for one in tables if one.title.startswith(title)))


def drawn(table: Table) -> list[str]:
    shape = present.widths(table, INSIDE)
    return [present.draw(row, table, INSIDE, shape=shape).plain for row in table.rows]


@pytest.mark.parametrize(
    ("name", "probe", "title", "line", "words"),
    [
        pytest.param(
            "endpoint_one_of_three_addresses_is_sick", "endpoint.path", "addresses",
            2, ("127.0.0.3", "2/6", "503", "bad answer"), id="the sick address and how often",
        ),
        pytest.param(
            "endpoint_one_of_three_addresses_is_sick", "endpoint.path", "addresses",
            0, ("127.0.0.1", "0/5", "200", "ok"), id="a good one beside it",
        ),
        pytest.param(
            "endpoint_seen_from_a_place_without_network", "endpoint.path", "name",
            1, ("resolver", "unreachable"), id="a name without a way to its server",
        ),
        pytest.param(
            "endpoint_front_certificate_expired", "endpoint.path", "certificates",
            0, (" d ", "127.0.0.1"), id="a certificate with its days",
        ),
        pytest.param(
            "vpc_path_rule_was_revoked", "vpc_path.config", "what stands",
            0, ("no rule of orders-db allows tcp 5432 from checkout in app-a",), id="the blocker",
        ),
        pytest.param(
            "vpc_path_rule_was_revoked", "vpc_path.config", "what stands",
            1, ("hop 5", "PATH_SG_INGRESS_DENIED"), id="where it stands",
        ),
        pytest.param(
            "vpc_path_rule_was_revoked", "vpc_path.config", "what stands",
            3, ("would open it: tcp 5432 for checkout in orders-db",), id="what would open it",
        ),
        pytest.param(
            "vpc_path_rule_was_revoked", "vpc_path.config", "way",
            4, ("5", "blocks", "ingress of orders-db", "no rule"), id="the hop that blocks",
        ),
        pytest.param(
            "vpc_path_rule_was_revoked", "vpc_path.config", "way",
            5, ("passes", "answer: network ACL out of data-a", "rule 100 allow all 0.0.0.0/0"),
            id="a hop of the way back",
        ),
    ],
)  # fmt: skip
def test_what_decides_is_read_in_80_columns(
    name: str, probe: str, title: str, line: int, words: tuple[str, ...]
) -> None:
    told = shown(name, probe, title)[line]
    assert all(one in told for one in words), told
