WITH a AS MATERIALIZED (
  SELECT * FROM pg_stat_activity
), w AS MATERIALIZED (
  SELECT s.pid, CASE WHEN b.pids = '{}' AND pg_is_in_recovery()
                     THEN coalesce((SELECT array_agg(DISTINCT h.pid)
                            FROM pg_locks AS q JOIN pg_locks AS h ON h.granted
                             AND h.locktype = 'relation' AND h.database = q.database
                             AND h.relation = q.relation AND h.pid <> q.pid
                           WHERE q.pid = s.pid AND NOT q.granted AND q.locktype = 'relation'
                             AND q.mode = 'AccessExclusiveLock'), '{}')
                     ELSE b.pids END AS blockers
    FROM unnest(%(speakers)s::int[]) AS s (pid)
   CROSS JOIN LATERAL (SELECT pg_blocking_pids(s.pid) AS pids) AS b
), c AS (
  SELECT m.speaker AS pid, count(*)::int AS crowd,
         extract(epoch FROM clock_timestamp() - min(a.query_start))::float8 AS crowd_wait_s,
         array_agg(DISTINCT a.application_name) AS crowd_names,
         array_agg(DISTINCT host(a.client_addr)) AS crowd_clients
    FROM unnest(%(others)s::int[], %(theirs)s::int[]) AS m (pid, speaker)
    LEFT JOIN a USING (pid)
   WHERE m.pid NOT IN (SELECT unnest(blockers) FROM w) GROUP BY m.speaker
)
SELECT n.pid, w.blockers, c.crowd, c.crowd_wait_s, c.crowd_names[1:20] AS crowd_names,
       c.crowd_clients[1:200] AS crowd_clients,
       a.usename, a.datname, left(a.application_name, 60) AS application_name,
       host(a.client_addr) AS client, a.backend_type, a.backend_start, a.state,
       a.wait_event_type AS wait_type, a.wait_event,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS xact_s,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS query_s,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_s,
       a.xact_start = a.query_start AS alone,
       a.backend_xid IS NOT NULL AS has_xid, a.backend_xmin IS NOT NULL AS has_xmin,
       nullif(left(a.query, 600), '<insufficient privilege>') AS query,
       CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
            THEN (SELECT count(*) FROM a WHERE state = 'active' AND pid <> pg_backend_pid()) END
         AS active
  FROM (SELECT pid FROM w UNION SELECT unnest(blockers) FROM w) AS n
  LEFT JOIN w USING (pid) LEFT JOIN c USING (pid) LEFT JOIN a USING (pid)
