"""What of PostgreSQL's data is on another server too, and how much of it that may lack.

Source: PostgreSQL documentation, "Log-Shipping Standby Servers", `pg_stat_replication`. A standby
that is promoted replays all that it has received first, so a pause or a delay loses nothing; but
how old the last byte is that came is told only by what was replayed, or by when the primary was
heard. Each number is therefore the most that may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from cockpit.text import visible
from cockpit.triage.probe import RecoveryPoint
from probes.postgres.replication_model import PostgresReplication, Receiver, Replay, Sender


def points(look: PostgresReplication) -> Iterator[RecoveryPoint]:
    """Each standby that follows this primary, or this standby itself.

    Aurora's readers share one storage with the writer: they are no second copy.
    """
    if look.aurora:
        return
    if look.replay is not None:
        yield RecoveryPoint("this standby", _of_standby(look.replay, look.receiver), itself=True)
    for sender in look.senders:
        if sender.follows:
            yield RecoveryPoint(visible(sender.name or "standby", 60), _of_sender(sender))


def _of_standby(replay: Replay, receiver: Receiver | None) -> float | None:
    """`last_commit_age_s` also grows while the primary is idle; it is never too small."""
    linked = receiver is not None and receiver.status == "streaming"
    if linked and receiver is not None and receiver.last_msg_s is not None:
        if replay.backlog_b == 0:
            return max(0.0, receiver.last_msg_s)
        if replay.last_commit_age_s is None:
            return None
        return max(0.0, replay.last_commit_age_s, receiver.last_msg_s)
    return replay.last_commit_age_s


def _of_sender(sender: Sender) -> float | None:
    """`replay_s` is None also where nothing was written for a while, and then all is there."""
    if sender.reply_age_s is None:
        return None
    if sender.total_b == 0:
        return max(0.0, sender.reply_age_s)
    if sender.replay_s is None:
        return None
    return max(0.0, sender.replay_s) + max(0.0, sender.reply_age_s)
