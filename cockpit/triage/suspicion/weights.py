"""Every number that the rule for suspects judges by, and why it is what it is.

They were set by hand on the design half of `tests/stories` and are right for what they separate,
not probabilities. Who wants a better rule adds stories first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from cockpit.triage.finding import Severity
from cockpit.triage.nature import StoryRole

STRENGTH: Mapping[StoryRole, float] = {
    StoryRole.CAUSE: 0.90,
    StoryRole.EVENT: 0.55,
    StoryRole.EITHER: 0.40,
    StoryRole.SYMPTOM: 0.10,
    StoryRole.RISK: 0.02,
    StoryRole.EYE: 0.0,
}
"""How much a finding says that the story begins where it is found."""
LOADER_STRENGTH = 0.60
"""More load than usual is where a story begins more often than not."""
GRADE: Mapping[Severity, float] = {
    Severity.CRITICAL: 1.0,
    Severity.HIGH: 0.9,
    Severity.WARNING: 0.55,
    Severity.INFO: 0.45,
}
"""A cause is often milder than its effects: a warning still counts for half."""
FELT: Mapping[Severity, float] = {
    Severity.CRITICAL: 4.0,
    Severity.HIGH: 2.0,
    Severity.WARNING: 0.5,
    Severity.INFO: 0.0,
}
"""How much there is to explain at a target, by the worst that is felt there; ten findings at one
target are no more to explain than one."""
NOT_A_SYMPTOM = 0.5
"""What is to be explained of an ill that may be a cause itself."""
AGED, OVER = 0.12, 0.75
"""What is left of an ill that is far older than the incident, and of one that has cleared."""

OLD = timedelta(minutes=60)
"""An ill that began so long before the incident did not begin it, unless it burns slowly."""
GONE_KEPT = timedelta(minutes=30)
"""For how long a cleared finding may still be how it began."""
ALARM_STALE = timedelta(hours=3)
"""An alarm that has been firing for longer is furniture."""
ALARM_BEFORE = timedelta(minutes=30)
"""An alarm that rang so long before what is felt was another story."""
RECENT_CAUSE = timedelta(hours=1)
RELEASED_LATELY = timedelta(hours=2)
"""For how long a crash speaks against the release and not against what it needs."""
SEEN_BEGIN = timedelta(seconds=70)
"""What we saw first so long after our first look began while we looked."""
BY_LOOKS, BY_POINTS = timedelta(seconds=60), timedelta(seconds=90)
"""How exact a beginning is that we saw, and one out of points of a minute that settle late."""
BY_AGE, AGE_LEAST, AGE_OFF = timedelta(seconds=15), 4.0, 0.1
"""A number that is taken for an age: how exact it is, after how many seconds of looking, and by
which share it may miss the clock."""
STEP = 0.2
"""Share of its greatest value by which a series must move for the move to be a beginning."""

ABOVE = 0.95
SAYS_DROP = 0.9
LOAD_BELOW = 0.75
COLD_CACHE = 0.75
ONE_LIMIT = 0.75
"""Who takes a limit of the account, for the others of its kind that want more of it."""
SAME_SERVICE = 0.6
"""Graphs written by hand have gaps: who has nothing above it may be needed by its service."""
PROVIDER = 0.5
"""AWS has an event open: most of them concern others, and ours may be one of those that it does."""
NO_GRAPH = 0.3
TOO_LATE = 0.2
"""What is left of a reach if the would-be cause began after its effect."""
TOO_LATE_BY = timedelta(seconds=60)

SCORE_ALONE = 0.10
"""Share of a score that guilt has without explaining anything."""
NOTHING_COVERED = 0.05
UNSEEN: Mapping[str, float] = {"timeout": 0.40, "unreachable": 0.40}
UNSEEN_ELSE = 0.30
"""Guilt of what could not be looked at: nobody knows; who does not answer is likelier."""

LOOKED_INTO, LEAST_GUILT = 60, 0.04
"""Places that are compared with each other: the work grows with their square."""
DAMPED, DAMPER_LEAST, WEAKER_CHANGE = 0.85, 0.2, 0.6
BY_LOADER, HELD_BY_CAUSE, LOAD_CAUSE, COLD_BEFORE = 0.8, 0.5, 0.3, 0.8
"""How much of an ill another place explains away: locks that callers hold while they wait
elsewhere, and causes that are the work of load, less than others."""

LIKELY, POSSIBLE, MILD = 0.60, 0.36, 0.60
ALONE, ALONE_FELT, ALONE_REST = 0.30, 0.6, 0.7
"""What explains nearly everything and has no rival at all is possible on less."""
FELT_LEAST, UNTIED_OWN, UNTIED_SCORE, CHANGE_LEAST, UNSEEN_OWN = 0.25, 0.3, 0.35, 0.3, 0.5
RIVAL, INDEPENDENT = 1.06, 0.3
NEXT_LINE, NEW_COVER = 0.15, 0.5
"""A second story gets a line while so much is unexplained."""

CHANGE_RISK = 0.85
"""What the riskiest of changes says of its place: most changes break nothing."""
CHANGE_RISKS: Mapping[str, float] = {
    "ecs.deployment": 0.75,
    "ecs.deployment_failed": 0.6,
    "ecs.stop_task": 0.4,
    "ecs.scaling": 0.3,
    "rds.configuration": 0.4,
    "rds.replication": 0.4,
    "rds.storage": 0.4,
    "rds.failover": 0.7,
    "rds.restart": 0.7,
    "rds.maintenance": 0.7,
    "elasticache.failover": 0.7,
    "elasticache.replacement": 0.5,
    "elasticache.event": 0.25,
    "dynamodb.capacity": 0.5,
    "dynamodb.billing": 0.4,
    "dynamodb.scaling": 0.4,
    "mysql.moved": 0.5,
}
"""Sorts of changes that say less of their place, beside what is found there, than their rank among
all changes (`cockpit.triage.ranking.risk`) says: they happen many times a day and break nothing.
"""
ROLLED_BACK, AUTHORIZED = 0.3, 0.4
AFTER, AT_ONCE, BEFORE = timedelta(seconds=330), timedelta(seconds=100), timedelta(seconds=900)
FADES, FADES_SLOWLY = timedelta(seconds=1800), timedelta(hours=6)
AFTERWARDS, TWO_CLOCKS = 0.03, 0.25
"""A change after the beginning did not begin it; within minutes two clocks may differ."""
VAGUE = ((timedelta(minutes=20), 0.8), (timedelta(minutes=75), 0.5))
"""How much a change counts where nobody knows when it began."""
SIGNED, SIGNED_BY_SYMPTOM, SIGNED_ABOVE, SIGNED_BELOW, UNSIGNED = 1.0, 0.8, 0.7, 0.6, 0.1
"""Whether what is ill looks like what such a change breaks."""
LOCK_BELOW = 0.8
"""A cause below explains more than the release above it."""
SHARED = 0.9
"""Score of what several share and that explains everything: a zone, a region, their resolver."""
ZONE_LEAST, ZONE_MOST = 3, 0.6
"""Targets whose findings name a zone, and their share of all that name one, from which on it is
suspected."""
NEXT_REST = 0.35
"""What the next look's worth is divided by besides the scores: that it was none of them."""
RULED_OUT_FOR = 4.0
"""Times its pace for which a look that found nothing rules its target out."""
STALE = 2.0
"""Times its pace after which a look is worth making again."""
