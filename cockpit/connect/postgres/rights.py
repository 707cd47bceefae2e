"""What a role may do to other sessions and to replication, asked of the server before it is tried.

Source: PostgreSQL documentation, "Server Signaling Functions" (who may signal whom; a superuser's
session only a superuser), "Predefined Roles", "Replication Management Functions". RDS User Guide:
`rds_superuser` and `rds_replication` stand in for rights that RDS gives nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cockpit.connect.postgres.session import Postgres
from cockpit.connect.session import Right

_SIGNALS = frozenset({"cancel_backend", "terminate_backend", "terminate_idle_of_client"})
_ME = """
SELECT quote_ident(current_user) AS me, r.rolsuper AS super,
       r.rolreplication OR coalesce(pg_has_role(current_user, to_regrole('rds_replication')::oid,
                                                'USAGE'), false) AS replicates,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS signals,
       has_function_privilege('pg_wal_replay_resume()', 'EXECUTE') AS resumes
  FROM pg_roles AS r WHERE r.rolname = current_user
"""
_OF_PID = """
SELECT r.rolsuper AS super, pg_has_role(current_user, r.oid, 'USAGE') AS ours
  FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid WHERE a.pid = %(pid)s
"""
_OF_USER = """
SELECT r.rolsuper AS super, pg_has_role(current_user, r.oid, 'USAGE') AS ours
  FROM pg_roles AS r WHERE r.rolname = %(user)s
"""


@dataclass(frozen=True, slots=True)
class RoleRights:
    """What the role has. `replicates`: may drop slots; `sees`: when others' sessions began."""

    me: str
    super: bool
    replicates: bool
    sees: bool
    signals: bool
    resumes: bool


@dataclass(frozen=True, slots=True)
class VictimRole:
    """Whose session it is."""

    super: bool
    ours: bool
    """The role has this role's rights too: it sees and may signal without a role for that."""


async def may(postgres: Postgres, call: str, values: Mapping[str, object]) -> Right:
    """Whether the role may run a named statement on what it names. Raises `BlindError`."""
    rows = await postgres.rows(_ME, (), into=RoleRights)
    if not rows:
        return Right(None, "the server does not list the role itself")
    me = rows[0]
    if me.super:
        return Right(held=True)
    if call in _SIGNALS:
        sql = _OF_USER if "user" in values else _OF_PID
        victims = await postgres.rows(sql, values, into=VictimRole)
        return signal_right(me, victims[0] if victims else None)
    if call == "resume_replay" and not me.resumes:
        grant = f"GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {me.me};  -- on the primary"
        return Right(False, "may not resume replay", grant)
    if call == "drop_slot" and not me.replicates:
        return Right(False, "may not drop replication slots", f"ALTER ROLE {me.me} REPLICATION;")
    if call == "rollback_prepared" and me.me.strip('"') != values.get("owner"):
        why = f"only its owner {values.get('owner')!r} or a superuser may resolve it"
        return Right(False, why, f"-- log in as {values.get('owner')}: [target.commander] user")
    return Right(held=True)


def signal_right(me: RoleRights, victim: VictimRole | None) -> Right:
    """Whether a role may end another's statement or session; None as victim: it is not listed."""
    if victim is not None and victim.super:
        return Right(False, "the session is a superuser's: only a superuser may end it")
    if victim is not None and victim.ours:
        return Right(held=True)
    missing = [] if me.sees else ["pg_monitor"]
    if not me.signals:
        missing.append("pg_signal_backend")
    if not missing:
        return Right(held=True)
    return Right(
        False, f"is no member of {' and '.join(missing)}", f"GRANT {', '.join(missing)} TO {me.me};"
    )
