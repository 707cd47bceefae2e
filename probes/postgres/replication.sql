SELECT json_build_object('at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
 'aurora', engine.aurora,
 'role', current_user, 'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
 'senders', coalesce((SELECT json_agg(r) FROM (
     SELECT pid, application_name AS name, host(client_addr) AS address, state, sync_state,
            replay_lsn::text AS replay_lsn,
            pg_wal_lsn_diff(cur.lsn, sent_lsn) AS unsent_b,
            pg_wal_lsn_diff(sent_lsn, write_lsn) AS net_b,
            pg_wal_lsn_diff(write_lsn, flush_lsn) AS flush_b,
            pg_wal_lsn_diff(flush_lsn, replay_lsn) AS apply_b,
            pg_wal_lsn_diff(cur.lsn, replay_lsn) AS total_b,
            extract(epoch FROM replay_lag) AS replay_s,
            extract(epoch FROM clock_timestamp() - reply_time) AS reply_age_s
       FROM pg_stat_replication ORDER BY application_name, pid LIMIT 50) AS r), '[]'),
 'slots', coalesce((SELECT json_agg(s) FROM (
     SELECT slot_name AS name, slot_type AS type, database, active, temporary, wal_status,
            safe_wal_size, pg_wal_lsn_diff(cur.lsn, restart_lsn) AS retained_b,
            coalesce(restart_lsn::text, '') AS restart_lsn,
            extract(epoch FROM clock_timestamp() - f.since) AS inactive_s, f.reason AS invalidated,
            f.conflicts AS conflicting
       FROM (SELECT NULL::timestamptz AS inactive_since, NULL::text AS invalidation_reason,
                    NULL::bool AS conflicting) AS n
      CROSS JOIN LATERAL (SELECT slot_name, slot_type, database, active, temporary, wal_status,
                 safe_wal_size, restart_lsn, inactive_since AS since, invalidation_reason AS reason,
                 conflicting AS conflicts
            FROM pg_replication_slots) AS f
      ORDER BY slot_name LIMIT 100) AS s), '[]'),
 'subscriptions', CASE WHEN NOT pg_is_in_recovery() THEN coalesce((SELECT json_agg(s) FROM (
     SELECT p.*, w.workers, w.pid, w.last_msg_s,
            (SELECT count(*) FROM pg_subscription_rel AS r
              WHERE r.srsubstate <> 'r' AND r.srsubid IN (
                    SELECT subid FROM pg_stat_subscription WHERE subname = p.name)) AS not_ready
       FROM (SELECT subname AS name, count(*) AS number,
                    count(*) FILTER (WHERE subenabled) AS enabled, min(subslotname) AS slot,
                    min(datname) AS database
               FROM pg_subscription LEFT JOIN pg_database AS d ON d.oid = subdbid
              GROUP BY subname ORDER BY subname LIMIT 50) AS p
       LEFT JOIN LATERAL (
            SELECT count(f.worker) AS workers, min(f.worker) AS pid,
                   extract(epoch FROM clock_timestamp() - min(f.told)) AS last_msg_s
              FROM (SELECT NULL::int AS leader_pid) AS n
             CROSS JOIN LATERAL (SELECT pid AS worker, last_msg_receipt_time AS told
                   FROM pg_stat_subscription
                  WHERE subname = p.name AND relid IS NULL AND leader_pid IS NULL) AS f
            ) AS w ON true) AS s), '[]') ELSE '[]' END,
 'sync', CASE WHEN NOT (engine.aurora OR pg_is_in_recovery()) THEN json_build_object(
     'wanted', current_setting('synchronous_standby_names'),
     'level', CASE WHEN NOT EXISTS (
           SELECT FROM pg_db_role_setting AS c CROSS JOIN LATERAL unnest(c.setconfig) AS e(entry)
             JOIN pg_roles AS r ON r.oid = c.setrole
            WHERE r.rolname = current_user AND starts_with(entry, 'synchronous_commit='))
         THEN current_setting('synchronous_commit') END,
     'waiting', coalesce((SELECT json_agg(c) FROM (
         SELECT pid, application_name AS name, query_start AS began,
                extract(epoch FROM clock_timestamp() - query_start) AS query_s
           FROM pg_stat_activity WHERE wait_event = 'SyncRep' ORDER BY query_start LIMIT 100) AS c),
         '[]')) END,
 'version', current_setting('server_version_num')::int,
 'started', pg_postmaster_start_time(),
 'settings', json_build_object(
     'max_connections', current_setting('max_connections')::int,
     'max_worker_processes', current_setting('max_worker_processes')::int,
     'max_wal_senders', current_setting('max_wal_senders')::int,
     'max_prepared_transactions', current_setting('max_prepared_transactions')::int,
     'max_locks_per_transaction', current_setting('max_locks_per_transaction')::int),
 'receiver', CASE WHEN NOT engine.aurora THEN (SELECT row_to_json(w) FROM (
     SELECT status, slot_name,
            extract(epoch FROM clock_timestamp() - last_msg_receipt_time) AS last_msg_s
       FROM pg_stat_wal_receiver) AS w) END,
 'replay', CASE WHEN NOT engine.aurora AND pg_is_in_recovery() THEN json_build_object(
     'backlog_b', CASE WHEN pg_last_wal_receive_lsn() IS NOT NULL THEN greatest(0,
         pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) END,
     'replay_lsn', pg_last_wal_replay_lsn()::text,
     'delay_s', (SELECT setting::float8 / 1000 FROM pg_settings
                  WHERE name = 'recovery_min_apply_delay'),
     'target', (SELECT min(name) FROM pg_settings
                 WHERE name IN ('recovery_target', 'recovery_target_lsn', 'recovery_target_name',
                                'recovery_target_time', 'recovery_target_xid') AND setting <> ''
                   AND current_setting('recovery_target_action') = 'pause'),
     'last_commit_at', pg_last_xact_replay_timestamp(),
     'last_commit_age_s', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
     'paused', pg_is_wal_replay_paused()) END) AS replication
FROM (SELECT to_regproc('pg_catalog.aurora_version') IS NOT NULL AS aurora) AS engine
CROSS JOIN LATERAL (SELECT CASE WHEN engine.aurora THEN NULL
       WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
       ELSE pg_current_wal_lsn() END AS lsn) AS cur
