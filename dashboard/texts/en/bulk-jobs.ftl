# Bulk jobs and their progress.
bulk-jobs-back = Back to subscriptions
bulk-jobs-all = All jobs
bulk-jobs-empty = There was no bulk job so far.
bulk-jobs-job = Job
bulk-jobs-state = State
bulk-jobs-customers = Customers
bulk-jobs-filter = Filter
bulk-jobs-actor = Actor
bulk-jobs-created = Created
bulk-jobs-state-running = running
bulk-jobs-state-done = done
bulk-jobs-state-cancelled = cancelled
bulk-jobs-grant = { $count ->
    [one] { $count } free day
   *[other] { $count } free days
  }
bulk-jobs-auto-renew-on = auto-renewal on
bulk-jobs-auto-renew-off = auto-renewal off
bulk-jobs-announcement = message
bulk-jobs-progress-of = Progress of job { $id }
bulk-jobs-progress = { $processed } of { $total }
bulk-jobs-title = Job { $id }
bulk-jobs-by = by { $actor }
bulk-jobs-customers-now = Customers that match now
bulk-jobs-done = changed: { $count }
bulk-jobs-skipped = left as they are: { $count }
bulk-jobs-failed = failed: { $count }
bulk-jobs-reason-no_match = no longer match the filter
bulk-jobs-reason-blocked = blocked
bulk-jobs-reason-revoked = revoked
bulk-jobs-reason-is_trial = only a trial
bulk-jobs-reason-unchanged = already as wanted
bulk-jobs-reason-end_too_late = the end would be too late
bulk-jobs-messages = Messages with your own text
bulk-jobs-close = Close
bulk-jobs-cancel = Stop this job
bulk-jobs-cancel-title = Stop job { $id }
bulk-jobs-cancelled = The job was stopped.
bulk-jobs-left = Customers left
bulk-jobs-unchanged = stay as they are
bulk-jobs-changed = Customers changed
bulk-jobs-stays = stay changed
bulk-jobs-cancel-notices = Messages of this job that were not sent are not sent.
