SELECT clock_timestamp() AS at, pg_postmaster_start_time() AS started, current_user AS role,
       current_database() AS database, pg_is_in_recovery() AS recovery,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
       current_setting('pg_stat_statements.max', true) IS NOT NULL AS loaded,
       (SELECT quote_ident(n.nspname) FROM pg_extension AS e
          JOIN pg_namespace AS n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_stat_statements') AS schema,
       (SELECT e.extversion FROM pg_extension AS e WHERE e.extname = 'pg_stat_statements')
         AS extension
