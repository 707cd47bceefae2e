SELECT rt.processlist_id AS waiter, COALESCE(bt.processlist_id, 0) AS blocker,
       TIMESTAMPDIFF(SECOND, rx.trx_wait_started, NOW()) AS wait_s,
       CONCAT(dl.object_schema, '.', dl.object_name) AS lock_table, dl.index_name AS lock_index,
       dl.lock_mode
  FROM performance_schema.data_lock_waits AS w
  JOIN performance_schema.threads AS rt ON rt.thread_id = w.requesting_thread_id
  LEFT JOIN performance_schema.threads AS bt ON bt.thread_id = w.blocking_thread_id
  LEFT JOIN performance_schema.data_locks AS dl
    ON dl.engine_lock_id = w.requesting_engine_lock_id
  LEFT JOIN information_schema.innodb_trx AS rx ON rx.trx_id = w.requesting_engine_transaction_id
  LEFT JOIN information_schema.innodb_trx AS bx ON bx.trx_id = w.blocking_engine_transaction_id
 ORDER BY bx.trx_state = 'LOCK WAIT' LIMIT 5000
