"""What a look says, made safe: visible text, without secrets, whatever a probe forgot."""

from __future__ import annotations

from dataclasses import replace

from cockpit.errors import BlindError, Reason
from cockpit.redact import MASKER
from cockpit.text import visible
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.probe import Blind


def sanitise(finding: Finding) -> Finding:
    """The finding with every text from outside made visible and masked, whatever a probe forgot."""
    return replace(
        finding,
        summary=_said(finding.summary),
        subject=visible(finding.subject, 200),
        evidence=tuple(
            replace(e, value=_said(e.value)) if isinstance(e.value, str) else e
            for e in finding.evidence
        ),
        likely=tuple(_said(each) for each in finding.likely),
        against=tuple(_said(each) for each in finding.against),
        next=_said(finding.next),
        account_limit=_said(finding.account_limit),
    )


def _said(text: str) -> str:
    """Masked before too: what is cut in the middle of a secret would not be known any more."""
    return MASKER.mask(visible(MASKER.mask(text)))


def blind_of(error: BlindError) -> Blind:
    """The outcome of a look that could not look, with its finding where it is a diagnosis."""
    finding = None
    said, hint = MASKER.mask(error.message), MASKER.mask(error.hint)
    if error.code:
        finding = Finding(
            code=error.code,
            severity=Severity(error.severity or Severity.HIGH),
            summary=visible(said, 200),
            next=visible(hint, 200),
        )
    return Blind(Reason(error.reason), visible(said), visible(hint), finding)
