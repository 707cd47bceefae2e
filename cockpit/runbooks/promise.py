"""Writing down what a step will do before it acts, and what came of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from cockpit.incident.entry import Entry, EntryKind
from cockpit.incident.ledger import Settlement
from cockpit.runbooks.plan import Plan
from cockpit.runbooks.ports import Appends


def predicted(plan: Plan) -> str:
    """What a plan says will happen: its effect, and what its verification looks for."""
    until = plan.verify.text if plan.verify else "no look tells whether it did"
    return f"{plan.step.effect}; {until}" if plan.step.effect else until


async def predict(journal: Appends, plan: Plan, data: Mapping[str, object]) -> Entry:
    """Write the prediction. The durable intent that follows makes it durable too."""
    says = predicted(plan)
    place = plan.target or (plan.verify.target if plan.verify else "")
    text = f"'{plan.title}' predicts: {says}"
    told = {**data, "says": says}
    return await journal.append(EntryKind.STEP_PREDICTION, text, target=place, data=told)


async def settle(
    journal: Appends,
    prediction: int,
    settlement: Settlement,
    *,
    target: str,
    data: Mapping[str, object],
) -> None:
    """Write what came of it. `data`: what every entry about the step says of it."""
    told = {**data, "prediction": prediction, "seen": settlement.seen}
    told["verdict"] = settlement.verdict.value
    text = f"'{data.get('title', '')}' {settlement.text}"
    await journal.append(EntryKind.STEP_SETTLEMENT, text, target=target, data=told)
