# Guards that hold changes, and items in quarantine.
quarantine-guards = Guards
quarantine-no-guards = No guard holds changes.
quarantine-items = Quarantine
quarantine-about = An item fails because of its data, and is retried later. Correct the cause, then retry.
quarantine-empty = No item is in quarantine.
quarantine-since = since
quarantine-show-all = Show all
quarantine-item = Item
quarantine-customer = Customer
quarantine-reason = Reason
quarantine-attempts = Attempts
quarantine-first = First failure
quarantine-retry-at = Next attempt
quarantine-actions = Actions
quarantine-retry = Retry
quarantine-dismiss = Dismiss
quarantine-retry-one = Retry { $item }
quarantine-dismiss-one = Dismiss { $item }
quarantine-retry-all = { $count ->
    [one] Retry { $count } item
   *[other] Retry all { $count } items
  }
quarantine-retry-confirm = { $count ->
    [one] Retry now
   *[other] Retry { $count } items now
  }
quarantine-retry-effect = A run of the worker starts within a second. An item that fails again stays here, with a longer pause.
quarantine-retried = The retry is requested.
quarantine-at-once = at once
quarantine-dismiss-confirm = Dismiss the item
quarantine-dismiss-reason = Reason
quarantine-dismiss-hint = The timeline of the customer shows it.
quarantine-dismissed = The item was dismissed.
quarantine-record = Record of the failure
quarantine-record-kept = { $count ->
    [one] { $count } attempt
   *[other] { $count } attempts
  }
quarantine-record-deleted = deleted
quarantine-work = Work of the item
quarantine-work-usual = in the next usual run
quarantine-reason-no_price = No price
quarantine-reason-internal = Fault of the program
