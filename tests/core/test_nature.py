"""What each code is in the story of an outage."""

from __future__ import annotations

import pytest

from cockpit.triage.nature import Nature, StoryRole, Trait, codes, unknown


def test_every_code_stands_under_its_role_with_its_traits() -> None:
    given = codes(
        cause=("SPOOL_STUCK",),
        symptom=("SPOOL_SLOW", "SPOOL_SILENT"),
        traits={Trait.SAYS_DROP: ("SPOOL_SILENT",)},
    )
    assert list(given) == ["SPOOL_STUCK", "SPOOL_SLOW", "SPOOL_SILENT"]
    assert given["SPOOL_SILENT"] == Nature(StoryRole.SYMPTOM, frozenset({Trait.SAYS_DROP}))
    assert given["SPOOL_STUCK"].traits == frozenset()


def test_a_code_with_two_roles_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SPOOL_STUCK: given two roles"):
        codes(cause=("SPOOL_STUCK",), risk=("SPOOL_STUCK",))


def test_a_trait_of_a_code_without_a_role_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SPOOL_GONE: has a trait and no role"):
        codes(risk=("SPOOL_OLD",), traits={Trait.LOAD: ("SPOOL_GONE",)})


def test_a_code_without_its_comma_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="SPOOL_STUCK: stands alone"):
        codes(cause=("SPOOL_STUCK"))
    with pytest.raises(ValueError, match="SPOOL_STUCK: stands alone"):
        codes(cause=("SPOOL_STUCK",), traits={Trait.LOAD: ("SPOOL_STUCK")})


def test_a_code_whose_nature_stands_elsewhere_comes_last_and_only_once() -> None:
    more = codes(eye=("SPOOL_OBS_BLIND",))
    assert list(codes(cause=("SPOOL_STUCK",), more=more)) == ["SPOOL_STUCK", "SPOOL_OBS_BLIND"]
    with pytest.raises(ValueError, match="SPOOL_OBS_BLIND: given two roles"):
        codes(risk=("SPOOL_OBS_BLIND",), more=more)


def test_a_nature_is_told_in_a_sentence() -> None:
    given = codes(risk=("SPOOL_FULL",), traits={Trait.CAUSE_AT_CRITICAL: ("SPOOL_FULL",)})
    assert given["SPOOL_FULL"].told == (
        "In the story of an outage: a risk – true, and by itself no explanation of an outage that "
        "is there now; when critical it is the outage"
    )


def test_every_role_and_trait_has_its_words() -> None:
    for role in StoryRole:
        assert Nature(role, frozenset(Trait)).told.count(";") == len(Trait)


def test_a_code_that_nobody_declares_explains_no_outage() -> None:
    assert unknown("SPOOL_STUCK").role is StoryRole.RISK
    assert unknown("SPOOL_OBS_BLIND").role is StoryRole.EYE
