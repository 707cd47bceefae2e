"""The natures that the probes give their codes, all together."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

import pytest

from cockpit.connect.memcached.errors import CODES as MEMCACHED
from cockpit.connect.mysql.errors import CODES as MYSQL
from cockpit.connect.postgres.errors import CODES as POSTGRES
from cockpit.connect.redis.errors import CODES as REDIS
from cockpit.triage.nature import Nature, StoryRole, Trait
from cockpit.triage.registry import natures, registry
from probes import refusals

KINDS = {probe.kind for probe in registry().values()}
WORDS = {Trait.LOADER, Trait.COLD, Trait.HELD, Trait.BY_RELEASE}
"""Traits that only what can be a cause has."""


def test_a_code_of_several_probes_has_one_nature() -> None:
    given: dict[str, set[Nature]] = defaultdict(set)
    for probe in registry().values():
        for code, nature in probe.codes.items():
            given[code].add(nature)
    assert {code: several for code, several in given.items() if len(several) > 1} == {}
    assert dict(natures(KINDS)) == {code: one for code, (one,) in given.items()}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (POSTGRES, refusals.POSTGRES_REFUSALS),
        (MYSQL, refusals.MYSQL_REFUSALS),
        (REDIS, refusals.REDIS_REFUSALS),
        (MEMCACHED, refusals.MEMCACHED_REFUSALS),
    ],
    ids=["postgres", "mysql", "redis", "memcached"],
)
def test_every_code_of_a_failed_connection_has_its_nature(
    given: tuple[str, ...], told: Mapping[str, Nature]
) -> None:
    assert set(given) == set(told)


def test_what_is_about_our_sight_is_told_as_that_and_explains_nothing() -> None:
    everything = natures(KINDS)
    sight = {code for code in everything if "_OBS_" in code or code.endswith("_STATUS_UNKNOWN")}
    assert {everything[code].role for code in sight} == {StoryRole.EYE}
    eyes = [each for each in everything.values() if each.role is StoryRole.EYE]
    assert all(each.traits <= {Trait.HANGS} for each in eyes)


def test_traits_stand_where_they_mean_something() -> None:
    for code, nature in natures(KINDS).items():
        if Trait.CAUSE_AT_CRITICAL in nature.traits:
            assert nature.role is StoryRole.RISK, code
        if Trait.CAUSE_UNLESS_FELT in nature.traits or Trait.SAYS_DROP in nature.traits:
            assert nature.role is StoryRole.SYMPTOM, code
        if WORDS & nature.traits:
            assert nature.role in {StoryRole.CAUSE, StoryRole.EVENT, StoryRole.EITHER}, code


def test_natures_of_some_kinds_import_no_others() -> None:
    code = (
        "import sys; from cockpit.triage.registry import natures;"
        "found = natures(['redis', 'sqs_queue']);"
        "print(found['RD_MEM_EVICTING'].role, found['SQS_NO_CONSUMER'].role,"
        " 'PG_LOCK_BLOCKED' in found, 'probes.postgres' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cause", "symptom", "False", "False"]
