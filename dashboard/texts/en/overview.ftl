# The overview: problems with their remedies, and figures.
overview-problems = { $count ->
    [0] Problems
    [one] { $count } problem
   *[other] { $count } problems
  }
overview-calm = No problem at the moment.
overview-since = Since
overview-solved = Solved.
overview-show = Show the list
overview-figures = Figures
overview-now = As of
overview-collected = Collected today
overview-charged = Charged today
overview-entries = { $count ->
    [one] { $count } entry
   *[other] { $count } entries
  }
overview-due = Due in 24 h
overview-late = Late
overview-short = Short of money
overview-held = Held by guards
overview-pending = Pending notifications
overview-nodes = Nodes that answer
overview-nodes-up = { $up } of { $all }
overview-draining = draining: { $count }
overview-active = Active subscriptions
overview-customers = Customers
overview-about = about { $count }

problem-commits_lost = The last commits may be lost, and all changes wait: { $reason }
remedy-commits_lost = Compare the payments with the provider, then confirm the state of the database.
problem-clock_suspect = Charges, ends and sales wait because the time is suspect: { $reason }
remedy-clock_suspect = Correct the clock of the database server. If its time is right, confirm the time.
problem-table_locked = The table { $table } is locked as a whole by { $cause }
remedy-table_locked = End this session. An idle transaction is usually a forgotten database console.
problem-worker_silent = { $worker } does not run: { $error }
remedy-worker_silent = Start the service, and read its log.
problem-worker_fails = { $worker } failed { $failures ->
    [one] { $failures } time
   *[other] { $failures } times
  } in a row: { $error }
remedy-worker_fails = Correct the cause that the error names. The next run continues.
problem-worker_overdue = { $worker } leaves { $items ->
    [one] { $items } due item
   *[other] { $items } due items
  }, the oldest since { $oldest_at }: { $cause }
remedy-worker_overdue = End the session that holds them. Without such a session, start a run.
problem-node_down = Node { $node } is down; { $to_add ->
    [one] { $to_add } customer waits
   *[other] { $to_add } customers wait
  } for access, to remove: { $to_remove }. Last error: { $error }
remedy-node_down = Start Xray on the node, or restore its network. Its keeper then applies all changes.
problem-node_adds_nothing = Node { $node } answers, and adds no users; { $to_add ->
    [one] { $to_add } customer waits
   *[other] { $to_add } customers wait
  } for access. Last error: { $error }
remedy-node_adds_nothing = Compare the inbounds of the node with the configuration.
problem-removals_late = Node { $node } has not confirmed { $waiting ->
    [one] { $waiting } removal
   *[other] { $waiting } removals
  }, the oldest since { $oldest_at }
remedy-removals_late = Check the node: users whose access has ended may still connect.
problem-node_link_error = Customers cannot connect by the links of node { $node }: { $error }
remedy-node_link_error = Correct the link of the node in the configuration, and apply it.
problem-charges_held = The guard of { $worker } holds { $held ->
    [one] { $held } charge
   *[other] { $held } charges
  }
remedy-charges_held = Check the clock, the prices and the list. If the charges are intended, confirm them.
problem-ends_held = The guard of { $worker } holds { $held ->
    [one] { $held } end
   *[other] { $held } ends
  }
remedy-ends_held = Check the clock and the list. If these ends are intended, confirm them.
problem-removals_held = The guard of { $worker } holds { $held ->
    [one] { $held } removal
   *[other] { $held } removals
  } on node { $subject }
remedy-removals_held = Check the list. If these removals are intended, confirm them.
problem-channel_fails = Nothing is sent by { $channel }: { $error }
remedy-channel_fails = Correct the cause that the error names. The notifications wait and are sent later.
problem-quarantine = { $worker }: { $items ->
    [one] { $items } item
   *[other] { $items } items
  } in quarantine by { $reason }, like { $item }: { $detail }
remedy-quarantine = Correct what the sentence names, then retry the items.
problem-machine_clock = { $detail }; the machine runs no workers
remedy-machine_clock = Synchronise the clock of this machine.
problem-notices_refused = A gateway refuses the text of { $notice }: { $error }
remedy-notices_refused = Correct the text and its buttons. Until then it is sent as plain text.

remedy-do-accept_clock = Confirm the time
remedy-effect-accept_clock = Perennial trusts the present time of the database again. Charges and ends that are due by this time follow at once.
remedy-done-accept_clock = The time is confirmed.
remedy-do-confirm_held = Confirm what is held
remedy-effect-confirm_held = One run proceeds with everything that the guard holds. This cannot be undone.
remedy-done-confirm_held = The confirmed run is requested.
remedy-do-run_worker = Run now
remedy-effect-run_worker = A replica of the service starts a run within a second.
remedy-done-run_worker = The run is requested.
remedy-do-retry_items = Retry the items
remedy-effect-retry_items = The next run retries these items at once. An item that fails again stays in quarantine.
remedy-done-retry_items = The items are retried.
