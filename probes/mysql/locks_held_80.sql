SELECT t.processlist_id AS id, m.object_schema, m.object_name, m.lock_type, m.lock_status
  FROM performance_schema.metadata_locks AS m
  JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
 WHERE m.object_type = 'TABLE' AND m.lock_status IN ('GRANTED', 'PENDING')
   AND t.processlist_id <> CONNECTION_ID()
   AND m.object_schema NOT IN ('performance_schema', 'mysql', 'information_schema')
   AND (m.object_schema, m.object_name) IN (
       SELECT p.object_schema, p.object_name FROM performance_schema.metadata_locks AS p
        WHERE p.lock_status = 'PENDING' AND p.object_type = 'TABLE')
 ORDER BY m.lock_status = 'GRANTED' LIMIT 2000
