"""Transaction numbers of a PostgreSQL: used up quickly, and given back by freezing."""

from __future__ import annotations

from cockpit.world.servers.postgres import PostgresServer

_USE = """DO $$ BEGIN
  FOR n IN 1..{0} LOOP
    PERFORM pg_current_xact_id();
    COMMIT;
  END LOOP;
END $$"""
_DATABASES = "SELECT datname FROM pg_database"
_OPEN = "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'"


def use_numbers(primary: PostgresServer, transactions: int) -> None:
    """Run so many transactions that take a number and change nothing (100,000 in about 1 s)."""
    primary.execute(_USE.format(transactions))


def freeze(primary: PostgresServer) -> None:
    """Freeze every row of every database, so that its age falls to where the oldest snapshot is."""
    primary.execute(_OPEN)
    for (name,) in primary.execute(_DATABASES):
        primary.execute("VACUUM (FREEZE)", database=name)
