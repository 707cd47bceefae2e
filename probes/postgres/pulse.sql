WITH a AS MATERIALIZED (
  SELECT pid, datname, usename, application_name, client_addr, backend_type, backend_start, state,
         wait_event_type AS wet, wait_event AS we, backend_xmin,
         extract(epoch FROM clock_timestamp() - backend_start)::float8 AS alive_s,
         extract(epoch FROM clock_timestamp() - xact_start)::float8    AS xact_s,
         extract(epoch FROM clock_timestamp() - query_start)::float8   AS query_s,
         extract(epoch FROM clock_timestamp() - state_change)::float8  AS state_s,
         query = '<insufficient privilege>'                            AS hidden
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()
), c AS MATERIALIZED (
  SELECT * FROM a
   WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)
), o AS MATERIALIZED (
  SELECT * FROM c WHERE application_name IS DISTINCT FROM 'incident-cockpit'
)
SELECT json_build_object(
  'at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
  'backends', (SELECT count(*) FROM c),
  'hidden', (SELECT count(*) FROM c WHERE hidden),
  'recent', (SELECT count(*) FROM c WHERE alive_s < 120),
  'by_state', coalesce((SELECT json_object_agg(k, n) FROM (
      SELECT coalesce(state, '(hidden)') AS k, count(*) AS n FROM c GROUP BY 1) AS s), '{}'),
  'by_client', coalesce((SELECT json_agg(s) FROM (
      SELECT usename, datname, application_name AS app, host(client_addr) AS address,
             count(*) AS n, count(*) FILTER (WHERE state = 'active') AS active,
             count(*) FILTER (WHERE state = 'idle') AS idle,
             count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_tx
        FROM o GROUP BY 1, 2, 3, 4 ORDER BY n DESC LIMIT 12) AS s), '[]'),
  'waits', coalesce((SELECT json_agg(s) FROM (
      SELECT coalesce(wet, 'none') AS type, coalesce(we, 'running') AS event, count(*) AS n
        FROM a WHERE state = 'active' AND application_name IS DISTINCT FROM 'incident-cockpit'
       GROUP BY 1, 2 ORDER BY n DESC LIMIT 12) AS s), '[]'),
  'lock_waiters', greatest((SELECT count(*) FROM a WHERE wet = 'Lock'),
      CASE WHEN (SELECT bool_or(hidden) FROM c)
           THEN (SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted) ELSE 0 END),
  'active_max_s', (SELECT max(query_s) FROM o WHERE state = 'active'),
  'xact_max_s', (SELECT max(xact_s) FROM o),
  'idle_tx', (SELECT count(*) FROM o WHERE state LIKE 'idle in transaction%'),
  'idle_tx_max_s', (SELECT max(state_s) FROM o WHERE state LIKE 'idle in transaction%'),
  'xmin_age', (SELECT max(age(backend_xmin)) FROM a),
  'autovacuum', (SELECT count(*) FROM a WHERE backend_type = 'autovacuum worker'),
  'prepared', (SELECT json_build_object('n', count(*),
      'max_s', extract(epoch FROM clock_timestamp() - min(prepared))) FROM pg_prepared_xacts),
  'read_only', CASE WHEN NOT pg_is_in_recovery() THEN json_build_object(
    'role', current_user, 'database', current_database(),
    'ours', (SELECT reset_val::bool FROM pg_settings
              WHERE name = 'default_transaction_read_only'),
    'set', coalesce((SELECT json_agg(s) FROM (
        SELECT d.datname AS database, r.rolname AS role, split_part(entry, '=', 2)::bool AS value
          FROM pg_db_role_setting AS c CROSS JOIN LATERAL unnest(c.setconfig) AS e(entry)
          LEFT JOIN pg_database AS d ON d.oid = c.setdatabase
          LEFT JOIN pg_roles AS r ON r.oid = c.setrole
         WHERE starts_with(entry, 'default_transaction_read_only=')
         ORDER BY 1 NULLS FIRST, 2 NULLS FIRST LIMIT 50) AS s), '[]')) END,
  'counted', CASE WHEN current_setting('server_version_num')::int >= 150000 THEN (
    SELECT json_agg(s) FROM (
      SELECT datname, (to_jsonb(d) ->> 'sessions')::bigint AS sessions, xact_commit AS commits,
             xact_rollback AS rollbacks, numbackends AS connected, stats_reset
        FROM pg_stat_database AS d WHERE datname IS NOT NULL
       ORDER BY xact_commit DESC, datname LIMIT 50) AS s) END,
  'server', json_build_object(
    'version', current_setting('server_version_num')::int,
    'started', pg_postmaster_start_time(),
    'born', (SELECT max(backend_start) FROM a WHERE backend_type = 'checkpointer'),
    'role', current_user,
    'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
    'rds', current_setting('rds.extensions', true) IS NOT NULL,
    'aurora', to_regproc('pg_catalog.aurora_version') IS NOT NULL,
    'max_connections', current_setting('max_connections')::int,
    'reserved', current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true), '0')::int
      + coalesce(current_setting('rds.rds_superuser_reserved_connections', true), '0')::int)
) AS pulse
