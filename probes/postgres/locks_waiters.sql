SELECT clock_timestamp() AS at, current_setting('server_version_num')::int AS version,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, current_user AS role,
       coalesce(sum(p.n), 0)::int AS waiters, coalesce(json_agg(p), '[]') AS places
  FROM (SELECT min(q.locktype) AS locktype, min(q.mode) AS mode, q.page, q.tuple AS line,
               min(q.classid::bigint) AS classid, min(q.objid::bigint) AS objid, count(*) AS n,
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
                 FROM pg_locks WHERE NOT granted AND pid IS NOT NULL) AS q
         GROUP BY q.database, q.relation, q.page, q.tuple,
                  CASE WHEN q.locktype <> 'tuple' THEN q.pid END) AS p
