# Current problems and their remedies.
problem-since = since
problem-remedy = Remedy:
problem-over = This problem is over.
problem-list = Show the list
problem-done = The request was accepted.

problem-do-accept_clock = Confirm the time
problem-do-confirm_held = Confirm the held changes
problem-do-run_worker = Run now
problem-do-retry_items = Retry the items
problem-effect-accept_clock = The service takes the present time and state of the database as right. Waiting charges, ends and sales continue within a minute.
problem-effect-confirm_held = The service makes at most these changes within 10 minutes, each once. Later changes need another confirmation. If prices or settings change before, nothing is made.
problem-held = Held changes
problem-held-after = made by the next run
problem-effect-run_worker = A replica of the service starts the run within a second.
problem-effect-retry_items = The items are retried at once. An item that fails again stays in quarantine.

problem-commits_lost = The last commits may be lost, and all changes wait: { $reason }
problem-commits_lost-remedy = Compare the payments with the provider, then confirm the state of the database.
problem-clock_suspect = Charges, ends and sales wait, because the time is suspect: { $reason }
problem-clock_suspect-remedy = Correct the clock of the database server. If its time is right, confirm the time.
problem-table_locked = The table { $table } is locked as a whole: { $cause }
problem-table_locked-remedy = End this session. An idle transaction is usually a forgotten database console.
problem-worker_silent = { $worker } does not run: { $error }
problem-worker_silent-remedy = Start the service, and read its log.
problem-worker_fails = { $failures ->
    [one] { $worker } failed { $failures } time: { $error }
   *[other] { $worker } failed { $failures } times in a row: { $error }
  }
problem-worker_fails-remedy = Correct the cause that the error names. The next run continues.
problem-worker_overdue = { $items ->
    [one] { $worker } leaves { $items } due item, since { $oldest_at }: { $cause }
   *[other] { $worker } leaves { $items } due items, the oldest since { $oldest_at }: { $cause }
  }
problem-worker_overdue-remedy = End the session that holds them. Without such a session, start a run.
problem-notices_overdue = { $items ->
    [one] { $items } due notification was not sent. It is due since { $oldest_at }: { $cause }
   *[other] { $items } due notifications were not sent. The oldest is due since { $oldest_at }: { $cause }
  }
problem-notices_overdue-remedy = Start a service with the key of this channel. End a session that holds its lock.
problem-node_down = Node { $node } is down. Customers that wait for access: { $to_add }, users to remove: { $to_remove }. Last error: { $error }
problem-node_down-remedy = Start Xray on the node, or restore its network. All changes then follow by themselves.
problem-node_adds_nothing = Node { $node } answers, and adds no users. Customers that wait for access: { $to_add }, users to remove: { $to_remove }. Last error: { $error }
problem-node_adds_nothing-remedy = Compare the inbounds of the node with the configuration.
problem-removals_late = { $waiting ->
    [one] Node { $node } has not confirmed { $waiting } removal since { $oldest_at }.
   *[other] Node { $node } has not confirmed { $waiting } removals, the oldest since { $oldest_at }.
  }
problem-removals_late-remedy = Check the node: users whose access has ended may still connect.
problem-node_link_error = Customers cannot connect by the links of node { $node }: { $error }
problem-node_link_error-remedy = Correct the link of the node in the configuration, and apply it.
problem-charges_held = { $held ->
    [one] The spend guard of { $worker } holds { $held } charge.
   *[other] The spend guard of { $worker } holds { $held } charges.
  }
problem-charges_held-remedy = Check the clock, the prices and the list. If the charges are intended, confirm them.
problem-ends_held = { $held ->
    [one] The guard of { $worker } holds { $held } end of a subscription.
   *[other] The guard of { $worker } holds { $held } ends of subscriptions.
  }
problem-ends_held-remedy = Check the clock and the list. If these ends are intended, confirm them.
problem-removals_held = { $held ->
    [one] The guard of { $worker } holds { $held } removal on node { $subject }.
   *[other] The guard of { $worker } holds { $held } removals on node { $subject }.
  }
problem-removals_held-remedy = Check the list. If these removals are intended, confirm them.
problem-channel_fails = Nothing is sent by { $channel }: { $error }
problem-channel_fails-remedy = Correct the cause that the error names. The messages wait, and are sent later.
problem-quarantine = { $items ->
    [one] { $items } item of { $worker } is in quarantine by { $reason }: { $detail }
   *[other] { $items } items of { $worker } are in quarantine by { $reason }, like { $item }: { $detail }
  }
problem-quarantine-remedy = Correct the cause that the sentence names, then retry the items.
problem-machine_clock = This machine runs no workers: { $detail }
problem-machine_clock-remedy = Synchronise the clock of this machine.
problem-notices_refused = A gateway refuses the text of { $notice }: { $error }
problem-notices_refused-remedy = Correct the text and its buttons. Until then it is sent as plain text.

error-held_changed = The guard holds fewer changes now. Close this dialog, and read the new number.
error-terms_changed = Prices or settings have changed. Close this dialog, and check again.
error-nothing_held = The guard holds nothing any more.
error-preview_running = Another dry run is in progress. Try again when it ends.
