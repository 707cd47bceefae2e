"""What a stop or failure text of ECS means: its error code, the cause and the resource, apart.

Source: ECS Developer Guide ("Stopped tasks error messages", "Service event messages"), and what
people report. Texts hold names that others chose: account ids, digests, paths, repositories, hosts.
A `429` in an account id is no throttle and `eni` is in "AccessDenied", so names are taken out
first, and what is left is compared by whole words with `probes.ecs.phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from probes.ecs import phrases
from probes.ecs.phrases import Cause, Resource, Rules

Value = TypeVar("Value")

_TYPOGRAPHY = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\\": " "})
_CODE_BEFORE_TEXT = re.compile(r"(?<!\S)([A-Z]\w*(?:Error|Exception)):(?=\S)")
_NAMED_VALUE = re.compile(r'(?<!\S)\w+="')
_QUOTED_NAME = re.compile(r"""(?<!\w)(["'`])(?![A-Z]+\1)[^\s"'`]+\1(?!\w)""")
"""A word in quotes, but for states like `"AGENT"`."""
_REPOSITORY = re.compile(
    r"(?i)(?<=\baccess denied for )\S+|(?<=\bmanifest for )\S+|(?<=\brepository )\S+(?= not found)"
)
"""Where a repository stands that may be one word, and that word `platform` or `denied`."""

_EDGES = "\"'`()[]{}<>,;.:!?…"
_NAME = re.compile(
    r".*[/@:].*"  # paths, addresses, images with tag or digest, ARNs, actions of IAM
    r"|(?!\d{3}$)\d+"  # account ids and ports; three digits may be a status
    r"|[0-9a-f-]{12,}"  # digests, ids of tasks
    r"|[a-z0-9-]+(?:\.[a-z0-9-]+)+"  # hosts, in lower case: a full stop may lack its space
    r"|(?=.*\d).*[-_].*",  # subnet-0a1, my_task_2
    re.DOTALL,
)
_NO_NAME = re.compile(r"i/o|resource:[a-z_]+", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]\w*(?:Error|Exception)")


@dataclass(frozen=True, slots=True)
class Failure:
    """The meaning of one text. What is not recognised is `UNKNOWN`, never the nearest guess."""

    code: str
    """The first error code, as AWS spells it: `CannotPullContainerError`; empty without one."""
    cause: Cause
    resource: Resource

    @property
    def pulling(self) -> bool:
        """The image could not be pulled."""
        return self.code.lower().startswith(phrases.PULL)

    @property
    def setting_up(self) -> bool:
        """Something that the container needs could not be had before its start."""
        code = self.code.lower()
        if code in phrases.CONTAINER:
            return self.resource is not Resource.CONTAINER
        return code in phrases.SET_UP or self.resource in {
            Resource.ROLE,
            Resource.VOLUME,
        }

    @property
    def starting(self) -> bool:
        """The container itself could not be made, started or asked."""
        return self.code.lower() in phrases.CONTAINER and not self.setting_up

    @property
    def telling(self) -> bool:
        """It says more than that a task did not start, or ended."""
        return self.cause not in {
            Cause.UNKNOWN,
            Cause.EXITED,
            Cause.NOT_STARTED,
        }


@lru_cache(maxsize=2048)
def failure_of(text: str) -> Failure:
    """Judge one text: a reason of a task or of a container, or an event of a service."""
    code, words = _without_names(text)
    if code.lower().startswith(phrases.PULL):
        return Failure(code, _first(words, phrases.PULL_CAUSES, Cause.UNKNOWN), Resource.IMAGE)
    if code.lower() in phrases.SET_UP:
        resource = _first(words, phrases.SET_UP_RESOURCES, Resource.UNKNOWN)
        return Failure(code, _set_up_cause(words, resource), resource)
    if code.lower() in phrases.CONTAINER:
        resource = _first(words, phrases.CONTAINER_RESOURCES, Resource.CONTAINER)
        rules = phrases.SET_UP_CAUSES if resource is Resource.LOGS else phrases.CONTAINER_CAUSES
        return Failure(code, _first(words, rules, Cause.UNKNOWN), resource)
    cause = _first(words, phrases.TASK_CAUSES, Cause.UNKNOWN)
    return Failure(code, cause, _first(words, phrases.TASK_RESOURCES, Resource.UNKNOWN))


def _set_up_cause(words: str, resource: Resource) -> Cause:
    cause = _first(words, phrases.SET_UP_CAUSES, Cause.UNKNOWN)
    if cause is Cause.UNKNOWN and resource is Resource.FILE_SYSTEM:
        return _first(words, phrases.FILE_SYSTEM_CAUSES, cause)
    return cause


def _first(words: str, rules: Rules[Value], otherwise: Value) -> Value:
    return next(
        (value for value, marks in rules if any(f" {mark} " in words for mark in marks)), otherwise
    )


def _without_names(text: str) -> tuple[str, str]:
    """The first error code, and the words from there on, in lower case, between `^` and `$`."""
    text = text.translate(_TYPOGRAPHY)
    for names in (_CODE_BEFORE_TEXT, _NAMED_VALUE, _QUOTED_NAME, _REPOSITORY):
        text = names.sub(r"\1: " if names is _CODE_BEFORE_TEXT else " ", text)
    tokens = [each for each in map(_token, text.split()) if each[0]]
    start = _start(tokens)
    code = "" if start is None else tokens[start][0]
    return code, f" ^ {' '.join(word for word, _ in tokens[start or 0 :])} $ ".lower()


def _token(raw: str) -> tuple[str, bool]:
    """A word without punctuation, empty when it is a name; and whether a colon follows it."""
    word = raw.strip(_EDGES)
    whole = raw.rstrip(_EDGES)  # of `[::]:443`, no more than `443` would be left
    if (_NAME.fullmatch(word) or ":" in whole) and not _NO_NAME.fullmatch(word):
        return "", False
    return word, raw.rstrip("\"'`").endswith(":")


def _start(tokens: Iterable[tuple[str, bool]]) -> int | None:
    """Where the first error code stands: one that a colon follows, else one that is known."""
    bare = None
    for place, (word, colon) in enumerate(tokens):
        known = word.lower() in phrases.CODES
        if colon and (known or _CODE.fullmatch(word)):
            return place
        if known and bare is None:
            bare = place
    return bare
