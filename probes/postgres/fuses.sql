WITH q AS MATERIALIZED (
  SELECT * FROM (
    SELECT c.oid, c.relnamespace, c.relname AS name, s.seqmax AS most,
           CASE WHEN has_sequence_privilege(c.oid, 'SELECT,USAGE')
                THEN pg_sequence_last_value(c.oid) END AS value
      FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
     WHERE s.seqincrement > 0 AND NOT s.seqcycle AND NOT pg_is_other_temp_schema(c.relnamespace)
    OFFSET 0) AS s
   WHERE value > least(most / 2, 16383)
)
SELECT json_build_object('at', clock_timestamp(), 'recovery', pg_is_in_recovery(),
 'version', current_setting('server_version_num')::int, 'role', current_user,
 'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
 'database', current_database(),
 'archiver', CASE WHEN NOT pg_is_in_recovery() AND current_setting('archive_mode') <> 'off' THEN (
     SELECT json_build_object(
       'set', coalesce(nullif(current_setting('archive_command'), ''), '(disabled)') <> '(disabled)'
           OR coalesce(current_setting('archive_library', true), '') <> '',
       'alive', CASE WHEN current_setting('server_version_num')::int >= 140000
           AND pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN EXISTS (
           SELECT FROM pg_stat_activity WHERE backend_type = 'archiver') END,
       'copying', EXISTS (SELECT FROM pg_stat_activity
                           WHERE backend_type = 'archiver' AND wait_event = 'ArchiveCommand'),
       'position', pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
       'segment', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
       'archived', last_archived_wal,
       'archived_s', extract(epoch FROM clock_timestamp() - last_archived_time),
       'failed', failed_count,
       'failed_s', extract(epoch FROM clock_timestamp() - last_failed_time))
       FROM pg_stat_archiver) END,
 'indexes', coalesce((SELECT json_agg(i) FROM (
     SELECT n.nspname AS schema, c.relname AS name, x.indrelid::regclass::text AS relation,
            x.indisready AS written, c.relpages::bigint * current_setting('block_size')::int AS bytes
       FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
       JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE NOT x.indisvalid AND c.relkind = 'i'
        AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p
                         WHERE p.datname = current_database() AND p.relid = x.indrelid)
      ORDER BY c.relpages DESC, 1, 2 LIMIT 20) AS i), '[]'),
 'sequences', coalesce((SELECT json_agg(s) FROM (
     SELECT n.nspname AS schema, q.name, q.value, b.bound, o.relation, o.attribute
       FROM q JOIN pg_namespace AS n ON n.oid = q.relnamespace
       LEFT JOIN LATERAL (
            SELECT d.refobjid::regclass::text AS relation, a.attname AS attribute,
                   CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                                   WHEN 'int4'::regtype THEN 2147483647 END::bigint AS most
              FROM pg_depend AS d
              JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_class'::regclass AND d.objid = q.oid AND d.deptype IN ('a', 'i')
             LIMIT 1) AS o ON true
      CROSS JOIN LATERAL (SELECT least(q.most, o.most) AS bound) AS b
      WHERE q.value > b.bound / 2
      ORDER BY q.value::float8 / b.bound DESC, 1, 2 LIMIT 20) AS s), '[]'),
 'hidden', (SELECT count(*) FROM pg_sequence WHERE NOT has_table_privilege(seqrelid, 'SELECT'))
) AS fuses
