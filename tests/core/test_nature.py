"""What each code is in the story of an outage."""

from __future__ import annotations

import pytest

from cockpit.triage.nature import Nature, Role, Trait, codes, unknown


def test_every_code_stands_under_its_role_with_its_traits() -> None:
    given = codes(
        cause=("SPOOL_STUCK",),
        symptom=("SPOOL_SLOW", "SPOOL_SILENT"),
        traits={Trait.SAYS_DROP: ("SPOOL_SILENT",)},
    )
    assert list(given) == ["SPOOL_STUCK", "SPOOL_SLOW", "SPOOL_SILENT"]
    assert given["SPOOL_SILENT"] == Nature(Role.SYMPTOM, frozenset({Trait.SAYS_DROP}))
    assert given["SPOOL_STUCK"].traits == frozenset()


def test_a_code_with_two_roles_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SPOOL_STUCK: given two roles"):
        codes(cause=("SPOOL_STUCK",), risk=("SPOOL_STUCK",))


def test_a_trait_of_a_code_without_a_role_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SPOOL_GONE: has a trait and no role"):
        codes(risk=("SPOOL_OLD",), traits={Trait.LOAD: ("SPOOL_GONE",)})


def test_a_code_that_nobody_declares_explains_no_outage() -> None:
    assert unknown("SPOOL_STUCK").role is Role.RISK
    assert unknown("SPOOL_OBS_BLIND").role is Role.EYE
