SELECT json_build_object('at', clock_timestamp(), 'started', pg_postmaster_start_time(),
 'recovery', pg_is_in_recovery(), 'role', current_user,
 'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
 'checkpointer', to_regclass('pg_catalog.pg_stat_checkpointer') IS NOT NULL,
 'shared', (SELECT json_build_object('number', checksum_failures, 'last', checksum_last_failure)
              FROM pg_stat_database WHERE datname IS NULL LIMIT 1),
 'databases', coalesce((SELECT json_agg(to_jsonb(s)) FROM (
     SELECT * FROM pg_stat_database WHERE datname IS NOT NULL
      ORDER BY xact_commit DESC, datname LIMIT 50) AS s), '[]'),
 'conflicts', coalesce((SELECT json_object_agg(k, n) FROM (
     SELECT e.key AS k, sum(e.value::bigint) AS n
       FROM pg_stat_database_conflicts AS c, jsonb_each_text(to_jsonb(c)) AS e
      WHERE e.key LIKE 'confl_%' GROUP BY 1) AS x), '{}')
) AS totals
