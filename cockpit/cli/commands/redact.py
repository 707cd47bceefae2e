"""`cockpit redact`."""

from __future__ import annotations

import click

from cockpit import text
from cockpit.cli.record import BROKEN, record_access

SECTION, PLACE = "The record", 6


@click.command()
@click.argument("name", metavar="ID")
@click.argument("seq", metavar="SEQ", type=click.IntRange(min=1))
@click.option("--why", required=True, help="Kept in the journal: so without what must go.")
@click.pass_context
def redact(ctx: click.Context, name: str, *, seq: int, why: str) -> int:
    """Take the text and data of one entry out of a journal, for good.

    Its place, time, author, target and kind stay, as does what other entries mean by it (the
    outcome of a step, a severity). An entry tells who took it out and why, the chain and every head
    digest hold. Exports, backups and what left this machine are not reached. Ends with 2 when the
    text may still be somewhere here.
    """
    from cockpit.incident.redaction import redact as take_out

    if not why.strip():
        raise click.UsageError("--why must say why")
    here = record_access(ctx)
    done = take_out(here.store, here.store.find(name), seq, why=why, actor=here.actor)
    click.echo(f"{done.incident} entry {seq} redacted by entry {done.by.seq}")
    for words in done.left:
        click.echo(f"cockpit: {text.visible(words, 400)}", err=True)
    return BROKEN if done.left else 0


COMMAND = redact
