"""Roles for names (pure). The journal itself keeps the names; only the report does without."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from cockpit.incident.entry import Entry, EntryKind

NOTICE = (
    "Names of people that the journal knows are replaced by their roles. A name inside free text "
    "that the journal does not know is still there: read before you share."
)

WITHHELD = "(name withheld)"

OWNER = re.compile(r"(?:^|\s)@([\w.-]+)")
"""Who an action item is for: `@ana`."""

_NOBODY = frozenset(
    {"", "admin", "cockpit", "ec2-user", "nobody", "operator", "root", "ubuntu", "user"}
)
"""Accounts that name no person; in free text they are ordinary words."""

_NAMING = ("actor", "by", "approved_by", "second", "owner", "user", "principal")
"""Members of `data` that name a person."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which words stand for which name."""

    labels: Mapping[str, str]
    pattern: re.Pattern[str]
    """Finds the names in free text, as whole words, in any case."""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Roles:
        """Labels by name. Accounts that name no person are left alone in free text."""
        names = [name for name in labels if name.lower() not in _NOBODY]
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        pattern = rf"(?i)(?<![\w-])(?:{words})(?![\w-])" if words else r"(?!)"
        by_word = {name.lower(): label for name, label in labels.items()}
        return cls(MappingProxyType(by_word), re.compile(pattern))

    def name(self, actor: str) -> str:
        """The role for a name; for one that is not known, that it is withheld."""
        return self.labels.get(actor.lower(), WITHHELD) if actor else ""

    def text(self, content: str) -> str:
        """The text with every known name replaced."""
        return self.pattern.sub(lambda found: self.labels[found[0].lower()], content)

    def entry(self, entry: Entry) -> Entry:
        """The entry without names and without the host, which often is one. It cannot verify."""
        return replace(
            entry,
            actor=self.name(entry.actor),
            host="",
            text=self.text(entry.text),
            target=self.text(entry.target),
            data=self._data(entry.data),
            salt="",
            seal="" if not entry.redacted else entry.seal,  # with one, it would seem redacted
            digest="",
            previous="",
        )

    def _data(self, value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: self._data(member, key) for key, member in value.items()}
        if isinstance(value, list | tuple):
            return [self._data(member, name) for member in value]
        if not isinstance(value, str):
            return value
        return self.name(value) if name in _NAMING else self.text(value)


def roles_of(entries: Sequence[Entry]) -> Roles:
    """A label for everybody the journal names: `commander`, `triage 2`, or withheld."""
    highest: dict[str, str] = {}
    for entry in entries:
        if entry.actor and highest.get(entry.actor) != "commander":
            highest[entry.actor] = entry.role or "somebody"
    labels: dict[str, str] = {}
    counted: dict[str, int] = {}
    for actor, role in highest.items():
        counted[role] = counted.get(role, 0) + 1
        labels[actor] = role if counted[role] == 1 else f"{role} {counted[role]}"
    for entry in entries:
        outside = entry.data.get("actor") if entry.kind is EntryKind.CHANGE else None
        if isinstance(outside, str) and outside:
            labels.setdefault(outside, WITHHELD)
        for owner in OWNER.findall(entry.text) if entry.kind is EntryKind.TODO else ():
            labels.setdefault(owner, WITHHELD)
    return Roles.of(labels)
