SELECT thread_id AS id, lock_type AS place, lock_mode AS lock_type
  FROM information_schema.metadata_lock_info
 WHERE lock_type IN ('Backup lock', 'Global read lock', 'Commit lock')
   AND thread_id <> CONNECTION_ID()
 LIMIT 2000
