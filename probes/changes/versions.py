"""Versions that nobody named: images under a moved tag, shares of an alias."""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.triage.finding import Evidence, Finding, Severity
from probes.changes.model import Snapshot


def images(snapshot: Snapshot) -> Iterator[Finding]:
    """A service runs another image under the same task definition and the same tag.

    The tag was moved: the release is one that the task definition does not show, and going back to
    an earlier revision of it brings the same image.
    """
    for image in snapshot.moved:
        yield Finding(
            "IMAGE_DIGEST_CHANGED",
            Severity.WARNING,
            f"{image.service} runs another {image.image} under {image.task_definition}",
            subject=f"{image.service} {image.container}",
            evidence=(
                Evidence("digest before", image.before),
                Evidence("digest now", image.after),
                Evidence("ago", (snapshot.at - image.at).total_seconds(), "s"),
            ),
            likely=("a release under a moving tag such as latest",),
            next="deploy the digest from before by its name; another revision brings the same tag",
        )


def aliases(snapshot: Snapshot) -> Iterator[Finding]:
    """An alias sends a share of its calls to a version that fails.

    It may be a canary that somebody watches: ask before the share is taken back.
    """
    for alias in snapshot.aliases:
        shares = dict(alias.weights)
        for version, errors, calls in alias.errors:
            if version not in shares or not errors:
                continue
            yield Finding(
                "ALIAS_SPLIT",
                Severity.WARNING,
                f"{alias.function}:{alias.name} sends {shares[version]:.0%} to version {version}, "
                f"which fails",
                subject=f"{alias.function}:{alias.name} {version}",
                evidence=(
                    Evidence("errors in 15 minutes", errors),
                    Evidence("calls in 15 minutes", calls),
                    Evidence("share", shares[version], "share"),
                ),
                likely=("a canary that is under way",),
                next=f"ask its owner; all calls back to version {alias.version} by UpdateAlias",
            )
