WITH l AS MATERIALIZED (SELECT * FROM pg_locks), w AS MATERIALIZED (
  SELECT l.*, CASE WHEN to_jsonb(l) ? 'waitstart'
           THEN coalesce((to_jsonb(l)->>'waitstart')::timestamptz, clock_timestamp())
           ELSE a.query_start END AS since
    FROM l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
   WHERE NOT l.granted AND l.locktype IN ('transactionid', 'relation', 'advisory')
)
SELECT h.pid, max(extract(epoch FROM clock_timestamp() - w.since))::float8 AS held_s
  FROM w
  JOIN (VALUES
    ('AccessShareLock', '{AccessExclusiveLock}'::text[]),
    ('RowShareLock', '{ExclusiveLock,AccessExclusiveLock}'),
    ('RowExclusiveLock', '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ShareUpdateExclusiveLock', '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,
      ExclusiveLock,AccessExclusiveLock}'),
    ('ShareLock', '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,
      ExclusiveLock,AccessExclusiveLock}'),
    ('ShareRowExclusiveLock', '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,
      ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ExclusiveLock', '{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,
      ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('AccessExclusiveLock', '{AccessShareLock,RowShareLock,RowExclusiveLock,
      ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')
  ) AS conflict(mode, modes) ON conflict.mode = w.mode
  JOIN l AS h ON h.granted AND h.locktype = w.locktype AND h.pid <> w.pid
   AND h.mode = ANY (conflict.modes)
   AND coalesce(h.transactionid, '0') = coalesce(w.transactionid, '0')
   AND coalesce(h.database, 0) = coalesce(w.database, 0)
   AND coalesce(h.relation, 0) = coalesce(w.relation, 0)
   AND coalesce(h.classid, 0) = coalesce(w.classid, 0)
   AND coalesce(h.objid, 0) = coalesce(w.objid, 0)
   AND coalesce(h.objsubid, 0) = coalesce(w.objsubid, 0)
 GROUP BY h.pid LIMIT 500
