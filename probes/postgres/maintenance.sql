WITH v AS MATERIALIZED (
  SELECT p.pid, p.datname, p.datid, p.relid, p.phase, p.heap_blks_scanned AS scanned,
         p.heap_blks_total AS total FROM pg_stat_progress_vacuum AS p
), a AS MATERIALIZED (
  SELECT pid, usename, datname, backend_start, backend_type, state, host(client_addr) AS client,
         left(application_name, 60) AS application_name, backend_xid, backend_xmin,
         age(backend_xmin) AS xmin_age, age(backend_xid) AS xid_age,
         extract(epoch FROM clock_timestamp() - xact_start) AS age_s,
         query = '<insufficient privilege>' AS hidden,
         query LIKE '%to prevent wraparound%' AS urgent
    FROM pg_stat_activity WHERE pid <> pg_backend_pid()
), h AS (
  SELECT 'session' AS holder, pid::text AS id, coalesce(usename::text, backend_type) AS who,
         datname AS database, xmin_age, xid_age, age_s, pid, backend_start, application_name,
         client, state, NULL::timestamptz AS prepared, NULL AS restart_lsn, NULL::bool AS active
    FROM a WHERE backend_type NOT IN ('walsender', 'autovacuum worker')
     AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid NOT IN (SELECT pid FROM v)
  UNION ALL
  SELECT 'standby feedback', pid::text, application_name, NULL, age(backend_xmin), NULL, NULL,
         NULL, NULL, application_name, host(client_addr), state, NULL, NULL, NULL
    FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
  UNION ALL
  SELECT CASE WHEN xmin IS NULL THEN 'slot (catalogs only)' ELSE 'slot' END, slot_name, slot_type,
         database, greatest(age(xmin), age(catalog_xmin)), NULL, NULL, NULL, NULL, NULL, NULL,
         wal_status, NULL, coalesce(restart_lsn::text, ''), active
    FROM pg_replication_slots WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
  UNION ALL
  SELECT 'prepared', gid, owner, database, age(transaction), age(transaction),
         extract(epoch FROM clock_timestamp() - prepared), NULL, NULL, NULL, NULL, NULL, prepared,
         NULL, NULL
    FROM pg_prepared_xacts
)
SELECT json_build_object('at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
 'version', current_setting('server_version_num')::int,
 'role', current_user, 'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
 'hidden', (SELECT count(*) FROM a WHERE hidden AND datname IS NOT NULL),
 'database', current_database(),
 'feedback', current_setting('hot_standby_feedback')::bool,
 'autovacuum', current_setting('autovacuum')::bool,
 'next_xid', pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
 'freeze_max_age', current_setting('autovacuum_freeze_max_age')::bigint,
 'workers_max', current_setting('autovacuum_max_workers')::int,
 'workers', (SELECT count(*) FROM a WHERE backend_type = 'autovacuum worker'),
 'databases', (SELECT json_agg(d) FROM (
     SELECT datname AS name, age(datfrozenxid) AS xid_age, mxid_age(datminmxid) AS multixact_age,
            datallowconn AS connectable
       FROM pg_database ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC, datname
      LIMIT 100) AS d),
 'holders', coalesce((SELECT json_agg(o) FROM (
     SELECT *, coalesce(database = current_database() OR holder LIKE 'slot%', true) AS own
       FROM h ORDER BY greatest(coalesce(xmin_age, 0), coalesce(xid_age, 0)) DESC, id
      LIMIT 20) AS o), '[]'),
 'vacuums', coalesce((SELECT json_agg(r) FROM (
     SELECT v.pid, v.datname AS database, v.phase, v.scanned, v.total, a.age_s, a.urgent,
            a.backend_type = 'autovacuum worker' AS automatic,
            CASE WHEN v.datname = current_database() THEN v.relid::regclass::text
                 ELSE 'relation ' || v.relid END AS relation
       FROM v LEFT JOIN a ON a.pid = v.pid ORDER BY a.age_s DESC NULLS LAST LIMIT 50) AS r), '[]')
) AS maintenance
