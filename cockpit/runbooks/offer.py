"""An offer of a drill-down as a runbook of one step: it takes the same way to its effect."""

from __future__ import annotations

import hashlib

from cockpit.connect.statements import STATEMENTS
from cockpit.runbooks.plan import digest_of
from cockpit.runbooks.step import Risk, Runbook, Step, StepKind, Undo
from cockpit.runbooks.values import escaped
from cockpit.triage.target import Target
from cockpit.triage.view import Offer

STEP = "offer"
"""The id of the one step."""


def runbook_of(target: Target, offer: Offer) -> Runbook:
    """The document for an offer. Its values are constants; none is read as a reference."""
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
    )
    named = {"call": offer.call, "args": dict(offer.args), "target": target.name}
    return Runbook(
        id=f"offer-{offer.call.replace('.', '-').replace('_', '-').lower()}",
        title=offer.label,
        codes=(),
        steps=(step,),
        digest=hashlib.sha256(digest_of(named).encode()).hexdigest(),
    )
