WITH l AS MATERIALIZED (SELECT * FROM pg_locks)
SELECT clock_timestamp() AS at, current_setting('server_version_num')::int AS version,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, current_user AS role,
       pg_is_in_recovery() AS recovery, to_regproc('pg_catalog.aurora_version') IS NOT NULL AS aurora,
       coalesce(sum(p.n), 0)::int AS waiters, coalesce(json_agg(p), '[]') AS places,
       (SELECT coalesce(json_agg(e), '[]') FROM (
          SELECT a.pid, a.backend_start, a.usename, a.datname, a.state, a.backend_type,
                 left(a.application_name, 60) AS application_name, a.wait_event,
                 extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS xact_s,
                 l.database::text || '/' || l.relation::text AS table_key,
                 CASE WHEN l.database = (SELECT oid FROM pg_database
                                          WHERE datname = current_database())
                      THEN l.relation::regclass::text END AS relation
            FROM l JOIN pg_stat_activity AS a ON a.pid = l.pid
           WHERE l.granted AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
             AND NOT pg_is_in_recovery() AND a.pid <> pg_backend_pid()
             AND EXISTS (SELECT FROM pg_stat_replication)
           ORDER BY a.xact_start LIMIT 50) AS e) AS exclusive
  FROM (SELECT min(q.locktype) AS locktype, min(q.mode) AS mode, q.page, q.tuple AS line,
               min(q.classid::bigint) AS classid, min(q.objid::bigint) AS objid, count(*) AS n,
               q.database::text || '/' || q.relation::text AS table_key,
               CASE WHEN q.relation IS NULL THEN NULL
                    WHEN q.database = (SELECT oid FROM pg_database
                                        WHERE datname = current_database())
                    THEN q.relation::regclass::text
                    ELSE q.database::text || '/' || q.relation::text END AS relation,
               array_agg(q.pid) AS pids, array_agg(
                 extract(epoch FROM clock_timestamp() - q.waitstart)::float8) AS waits
          FROM (SELECT NULL::timestamptz AS waitstart) AS before_14
         CROSS JOIN LATERAL (
               SELECT pid, locktype, mode, database, relation, page, tuple, classid, objid,
                      waitstart
                 FROM l WHERE NOT granted AND pid IS NOT NULL) AS q
         GROUP BY q.database, q.relation, q.page, q.tuple,
                  CASE WHEN q.locktype <> 'tuple' THEN q.pid END) AS p
