SELECT t.processlist_id AS id, m.object_type AS place, m.lock_type
  FROM performance_schema.metadata_locks AS m
  JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
 WHERE m.object_type IN ('GLOBAL', 'COMMIT', 'BACKUP', 'BACKUP LOCK') AND m.lock_status = 'GRANTED'
   AND t.processlist_id <> CONNECTION_ID()
 LIMIT 2000
