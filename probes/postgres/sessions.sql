SELECT pid, backend_start, usename, datname, application_name,
       host(client_addr) AS client, backend_type, state,
       wait_event_type AS wait_type, wait_event,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS xact_s,
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS query_s,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_s,
       backend_xid IS NOT NULL AS has_xid, backend_xmin IS NOT NULL AS has_xmin,
       nullif(left(query, 2000), '<insufficient privilege>') AS query
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND (datname IS NOT NULL OR backend_type = 'walsender')
 ORDER BY coalesce(state, '') = 'idle', xact_start NULLS LAST, query_start NULLS LAST, pid
 LIMIT %s
