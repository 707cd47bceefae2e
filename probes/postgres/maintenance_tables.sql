SELECT s.schemaname AS schema, s.relname AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
       extract(epoch FROM clock_timestamp()
               - greatest(s.last_autovacuum, s.last_vacuum))::float8 AS vacuumed_s,
       extract(epoch FROM clock_timestamp()
               - greatest(s.last_autoanalyze, s.last_analyze))::float8 AS analyzed_s,
       s.n_mod_since_analyze AS modified,
       age(c.relfrozenxid) AS xid_age,
       c.relpages::bigint * current_setting('block_size')::int AS bytes,
       array_to_string(c.reloptions, ' ') LIKE '%autovacuum_enabled=false%' AS switched_off
  FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
 ORDER BY s.n_dead_tup DESC, age(c.relfrozenxid) DESC LIMIT 25
