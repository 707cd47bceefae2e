"""`cockpit verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cockpit import text, units
from cockpit.cli.record import BROKEN, outputs_folder, record_access, tell_store
from cockpit.errors import Misconfigured
from cockpit.incident import chain
from cockpit.incident.entry import BadEntry, Entry
from cockpit.incident.incident import readable, waiting
from cockpit.incident.reader import Damaged
from cockpit.incident.stored import StoredJournal, checked, named_outputs, stored_in

SECTION, PLACE = "The record", 5
_FILES = {".sqlite", ".jsonl", ".json"}


@click.command()
@click.argument("name", metavar="[ID|FILE]", default="")
@click.option("--head", default="", help="A head digest that left this machine earlier.")
@click.pass_context
def verify(ctx: click.Context, name: str, *, head: str) -> int:
    """Check a journal's hash chain, offline; says the first bad entry.

    FILE is a journal (.sqlite), or an export (.jsonl, .json). Ends with 2 when it does not hold,
    and when there is nothing to verify.
    """
    if head and len(head.strip()) < chain.SHORTEST_HEAD:
        raise Misconfigured(
            f"--head {head} is too short", hint=f"give at least {chain.SHORTEST_HEAD} digits"
        )
    title, stored = _stored(ctx, name)
    verdict = chain.verify(stored.lines, head)
    entries = readable(stored.lines)
    troubles = stored.troubles(entries)
    if verdict.fault is None and not verdict.entries:
        click.echo(f"{title}: nothing to verify: there is no entry in it")
    elif verdict.fault is None:
        click.echo(f"{title}: holds, {_counted(verdict.entries)}")
    else:
        fault = verdict.fault
        click.echo(f"{title}: does NOT hold from entry {fault.place} on: {fault.why}")
        click.echo(f"entries before it that hold: {verdict.entries}")
    click.echo(f"head: {verdict.head or 'none'}")
    _tell_anchor(verdict)
    if verdict.old:
        count = f"the first {verdict.old}" if verdict.old < verdict.entries else "all"
        click.echo(
            f"format: {count} as cockpit 0.1 wrote them, held to its rules: one digest over each "
            "whole entry, so that none of them can be redacted"
        )
    for one in verdict.redactions:
        click.echo(
            f"redacted: entry {one.seq}, whose text is gone, by entry {one.by.seq} "
            f"({text.visible(one.by.actor, 100)}: {text.visible(one.by.text, 200)})"
        )
    for words in (*troubles, *_outputs(stored, entries)):
        click.echo(words)
    tell_store(title, (), waiting(stored.letters))
    for words in chain.LIMITS:
        click.echo(f"  {words}", err=True)
    return 0 if verdict.holds and verdict.entries and not troubles else BROKEN


def _outputs(stored: StoredJournal, entries: Sequence[Entry]) -> Iterator[str]:
    """What is known of the large outputs, beside what is wrong with them."""
    named = len(named_outputs(entries))
    if stored.blobs is None and named:
        yield f"outputs: {named} are named, and not beside this export: they were not compared"
    elif named:
        whole = sum(one.state == "whole" for one in stored.outputs(entries))
        yield f"outputs: {whole} of {named} are what their entries name"


def _tell_anchor(verdict: chain.Verdict) -> None:
    if verdict.anchor is None:
        return
    later = verdict.entries - verdict.anchor
    rest = (
        f"; {_counted(later)} came later, and nothing but a later digest proves them"
        if later
        else ""
    )
    click.echo(f"anchor: the first {verdict.anchor} are as they were when that digest left{rest}")


def _counted(entries: int) -> str:
    return units.count(entries, "entry", "entries")


def _stored(ctx: click.Context, name: str) -> tuple[str, StoredJournal]:
    """What to call it, and what an incident or a file holds."""
    path = Path(name)
    is_file = bool(name) and ("/" in name or path.suffix in _FILES)
    if not is_file:
        store = record_access(ctx).store
        if not (path.is_file() and name and not store.knows(name)):
            found = store.find(name)
            return found, store.stored(found)
    if not path.is_file():
        raise Misconfigured(f"{name} is a folder" if path.is_dir() else f"there is no file {name}")
    title = text.visible(path.name, 200)
    if path.suffix not in _FILES:
        raise Misconfigured(
            f"{title}: neither a journal (.sqlite) nor an export (.jsonl, .json)",
            hint="a copy with another name is read when it ends so: cp FILE copy.sqlite",
        )
    try:
        if path.suffix == ".sqlite":
            return title, stored_in(path)
        content = path.read_text("utf-8")
        return title, _exported(content) if path.suffix == ".json" else _beside(path, content)
    except UnicodeDecodeError as problem:
        why = f"is not UTF-8 text (byte {problem.start})"
    except json.JSONDecodeError as problem:
        why = f"is not JSON (line {problem.lineno}, column {problem.colno})"
    except Damaged as problem:
        why = f"cannot be read: {problem}"
    raise BadEntry(f"{title}: {why}")


def _beside(path: Path, content: str) -> StoredJournal:
    """A jsonl export, with the outputs in the folder that was written with it."""
    folder = outputs_folder(path)
    found = None
    if folder.is_dir():
        files = (each for each in sorted(folder.iterdir()) if each.is_file())
        found = checked((each.name, each.read_bytes()) for each in files)
    return StoredJournal(lines=tuple(content.splitlines()), blobs=found)


def _exported(content: str) -> StoredJournal:
    """The journal inside a JSON export. Raises `ValueError`."""
    document = json.loads(content)
    journal = document.get("journal") if isinstance(document, dict) else None
    if not isinstance(journal, dict) or not isinstance(journal.get("entries"), list):
        raise BadEntry("this JSON file is not an export of an incident")
    if document.get("blameless"):
        raise BadEntry("a blameless export cannot be verified", hint="export it as jsonl")
    outputs = journal.get("outputs")
    found = None
    if isinstance(outputs, list):
        carried = (one for one in outputs if isinstance(one, dict) and one.get("content"))
        found = checked((str(one.get("name")), str(one["content"]).encode()) for one in carried)
    lines = tuple(json.dumps(entry) for entry in journal["entries"])
    return StoredJournal(lines=lines, blobs=found)


COMMAND = verify
