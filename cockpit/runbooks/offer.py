"""An offer of a drill-down as a runbook of one step: it takes the same way to its effect."""

from __future__ import annotations

import hashlib

from cockpit.connect.statements import STATEMENTS
from cockpit.runbooks.plan import digest_of
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind, Undo, Until
from cockpit.runbooks.values import escaped
from cockpit.triage.target import Target
from cockpit.triage.view import Offer

STEP = "offer"
"""The id of the one step."""


_EVERY, _WITHIN = 1.0, 30.0
"""Seconds between two looks at what became of those who wait, and until that is settled."""


def runbook_of(target: Target, offer: Offer, *, seen_at: str) -> Runbook:
    """The document for an offer. Its values are constants; none is read as a reference.

    `seen_at`: the target that was looked at, where its promise is settled.
    """
    proof, until = offer.proof, None
    if proof is not None:
        until = Until(
            probe=proof.probe, until=proof.until, target=seen_at, says=proof.says,
            every=_EVERY, within=_WITHIN,
        )  # fmt: skip
    known = STATEMENTS.get(offer.call)
    undo = known.undo if known and known.undo else "none is known"
    step = Step(
        id=STEP,
        title=f"{offer.label[:1].upper()}{offer.label[1:]}",
        kind=StepKind(offer.kind),
        risk=Risk(offer.risk),
        target=target.name,
        does=offer.call,
        args=escaped(dict(offer.args)),
        effect=offer.effect,
        undo=Undo(says=undo),
        verify=until,
    )
    named = {"call": offer.call, "args": dict(offer.args), "target": target.name}
    return Runbook(
        id=f"offer-{offer.call.replace('.', '-').replace('_', '-').lower()}",
        title=offer.label,
        codes=(),
        steps=(step,),
        digest=hashlib.sha256(digest_of(named).encode()).hexdigest(),
    )
