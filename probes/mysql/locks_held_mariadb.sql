SELECT thread_id AS id, table_schema AS object_schema, table_name AS object_name,
       lock_mode AS lock_type
  FROM information_schema.metadata_lock_info
 WHERE lock_type = 'Table metadata lock' AND thread_id <> CONNECTION_ID()
   AND table_schema NOT IN ('performance_schema', 'mysql', 'information_schema')
 LIMIT 2000
