"""What AWS's own words say of a refusal: who, what, on what, which policy, and so what helps.

Source: IAM User Guide, "Troubleshoot access denied error messages" (formats, the policy types, and
since 2025 the ARN of the denying policy); EC2 API Reference, `DecodeAuthorizationMessage`. An
*implicit* denial lacks an Allow; against an *explicit* one no Allow helps, only a change of the
policy that holds the Deny, and that is seldom in the hands of whoever holds the pager.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SAID = re.compile(
    r"User: (?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on resource: \"?(?P<resource>[^\s\"]+)\"?)?"  # S3 puts it into quotes
    r"(?: (?:because|with|due to) (?P<why>.+?)(?=\.\s|\.$|$))?"
)
_POLICY_ARN = re.compile(r": (arn:[\w-]*:\S+)")
_GENERIC = re.compile(
    r"^(?:You are not authorized to perform this operation\.?|Access ?Denied\.?|Forbidden)\s*",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"Encoded authorization failure message: (\S+)")

_HOLDERS = {
    "identity-based": "the identity policy of {who}",
    "permissions boundary": "the permissions boundary of {who}",
    "session": "the session policy that {who} was assumed with",
    "resource-based": "the policy of the resource itself",
    "vpc endpoint": "the policy of the VPC endpoint that the call goes through",
    "service control": "a service control policy of the organization",
    "resource control": "a resource control policy of the organization",
}
"""Policy type as AWS writes it, in lower case → who holds it."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal, as far as AWS tells it; what it does not tell is empty."""

    action: str = ""
    resource: str = ""
    who: str = ""
    """ARN of the caller."""
    why: str = ""
    """AWS's own words for the policy and how it denies."""
    holder: str = ""
    """Which policy decided, in words. Empty: AWS does not tell, or names a type unknown here."""
    explicit: bool = False
    """A Deny stands in the way. False: an Allow is missing, or it is not told."""
    rest: str = ""
    """Everything else of the message: authorization ids, and what services add themselves."""

    def hint(self, action: str) -> str:
        """What would end it, for `action` where AWS did not name one."""
        action = self.action or action
        on = f" on {self.resource}" if self.resource else ""
        encoded = _ENCODED.search(self.rest)
        more = " (decode what AWS adds: sts:DecodeAuthorizationMessage)" if encoded else ""
        if self.explicit:
            holder = self.holder or "a policy that AWS does not name"
            return f"{holder} denies it: an Allow does not help, only a change of that Deny{more}"
        if self.holder and not self.holder.startswith("the identity"):
            where = f"{self.holder}; the identity policy alone is not enough"
            return f"allow {action}{on} in {where}{more}"
        return f"allow {action}{on} in {self.holder or 'a policy of the identity'}{more}"


def denial(message: str) -> Denial:
    """Read AWS's message. Never fails: what is not understood is `rest`."""
    found = _SAID.search(message)
    if found is None:
        return Denial(rest=_GENERIC.sub("", message).strip())
    why = (found["why"] or "").strip()
    who = found["who"]
    low = why.lower()
    holder = next((says for kind, says in _HOLDERS.items() if kind in low), "").format(who=who)
    arn = _POLICY_ARN.search(why)
    if holder and arn:
        holder += f", {arn[1]},"
    rest = f"{message[: found.start()]} {message[found.end() :]}"
    return Denial(
        action=found["action"],
        resource=found["resource"] or "",
        who=who,
        why=why,
        holder=holder,
        explicit="explicit deny" in low,
        rest=" ".join(rest.split()).strip(" ."),
    )
