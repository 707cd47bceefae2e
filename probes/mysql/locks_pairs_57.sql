SELECT w.trx_mysql_thread_id AS waiter,
       b.trx_mysql_thread_id AS blocker,
       TIMESTAMPDIFF(SECOND, w.trx_wait_started, NOW()) AS wait_s,
       l.lock_table, l.lock_index, l.lock_mode
  FROM information_schema.innodb_lock_waits AS x
  JOIN information_schema.innodb_trx AS w ON w.trx_id = x.requesting_trx_id
  JOIN information_schema.innodb_trx AS b ON b.trx_id = x.blocking_trx_id
  LEFT JOIN information_schema.innodb_locks AS l ON l.lock_id = x.requested_lock_id
 ORDER BY b.trx_state = 'LOCK WAIT' LIMIT 5000
