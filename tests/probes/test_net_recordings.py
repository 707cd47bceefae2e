"""Recorded looks at paths, judged again. All are real looks of a world, but for the `handmade` one,
whose session refused two of its reads.

A path has no role: who sees nothing of it sits in a place without a network.
"""

from __future__ import annotations

import jmespath
import pytest

from cockpit.runbooks.library import library
from cockpit.triage import recording
from cockpit.triage.registry import registry
from tests.recorded import FOLDER

STORIES = [
    ("endpoint_healthy_third_party", "endpoint.path", set()),
    ("endpoint_name_servers_fail", "endpoint.path", {"NET_DNS_SERVFAIL", "DEP_EXTERNAL"}),
    (
        "endpoint_one_of_three_addresses_is_sick",
        "endpoint.path",
        {"NET_TARGET_ONE_BAD", "NET_HTTP_5XX", "DEP_EXTERNAL"},
    ),
    ("endpoint_front_certificate_expired", "endpoint.path", {"NET_TLS_EXPIRED"}),
    ("endpoint_seen_from_a_place_without_network", "endpoint.path", {"NET_DNS_SERVFAIL"}),
    ("vpc_path_healthy", "vpc_path.config", set()),
    ("vpc_path_rule_was_revoked", "vpc_path.config", {"PATH_SG_INGRESS_DENIED"}),
    ("vpc_path_denied_acls_and_routes.handmade", "vpc_path.config", {"PATH_UNDETERMINED"}),
]


@pytest.mark.parametrize(("name", "probe", "codes"), STORIES, ids=[one[0] for one in STORIES])
def test_a_recorded_look_is_judged_as_it_was(name: str, probe: str, codes: set[str]) -> None:
    chosen = registry()[probe]
    look = recording.decode((FOLDER / f"{name}.json").read_bytes(), chosen.snapshot)
    assert {one.code for one in chosen.diagnose(look, chosen.settings)} == codes
    assert chosen.facts is not None
    assert list(chosen.facts(look, chosen.settings))
    assert chosen.tables is not None
    assert all(table.rows is not None for table in chosen.tables(look, chosen.settings))


def test_a_place_without_network_is_named_as_the_first_cause() -> None:
    chosen = registry()["endpoint.path"]
    content = (FOLDER / "endpoint_seen_from_a_place_without_network.json").read_bytes()
    (finding,) = chosen.diagnose(recording.decode(content, chosen.snapshot), chosen.settings)
    assert finding.likely[0].startswith("this machine has no way to its name server")


def test_recordings_of_paths_hold_no_place_of_the_machine_that_made_them() -> None:
    for name, _, _ in STORIES:
        content = (FOLDER / f"{name}.json").read_text()
        assert "/tmp" not in content
        assert "/home" not in content


@pytest.mark.parametrize(
    ("book", "step", "well", "broken"),
    [
        ("path-dns", "resolves", "endpoint_healthy_third_party", "endpoint_name_servers_fail"),
        ("path-tcp", "connects", "endpoint_healthy_third_party", STORIES[2][0]),
        ("path-http", "well", "endpoint_healthy_third_party", STORIES[2][0]),
        ("dependency-external", "back", "endpoint_healthy_third_party", STORIES[2][0]),
        ("path-route", "open", "vpc_path_healthy", "vpc_path_rule_was_revoked"),
        ("path-nacl", "open", "vpc_path_healthy", "vpc_path_rule_was_revoked"),
    ],
)
def test_a_runbook_waits_for_what_a_good_look_shows_and_a_bad_one_does_not(
    book: str, step: str, well: str, broken: str
) -> None:
    found = library().get(book)
    assert found is not None
    waiting = next(one for one in found.steps if one.id == step)
    assert waiting.verify is not None
    probe = registry()[waiting.verify.probe]
    for name, ended in ((well, True), (broken, False)):
        look = recording.decode((FOLDER / f"{name}.json").read_bytes(), probe.snapshot)
        findings = [
            {"code": one.code, "severity": one.severity.value, "summary": one.summary}
            for one in probe.diagnose(look, probe.settings)
        ]
        seen = recording.builtins(look) | {"reading": {"findings": findings}}
        assert jmespath.search(waiting.verify.until, seen) is ended, name
        looks = (one for one in found.steps if one.does == probe.id)
        for expression in (each for one in looks for each in one.capture.values()):
            jmespath.search(expression, seen)  # raises where a function gets nothing to work on
