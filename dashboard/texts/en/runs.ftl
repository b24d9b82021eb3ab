# The runs of the workers.
runs-workers = Workers
runs-list = All runs with work
runs-empty = No run matches. Runs without work leave no record.
runs-one = Run { $id }
runs-back = Back to all runs
runs-shown = Runs from { $from } to { $until }. A high bar is a failed run.
runs-every = Interval: { $interval }.
runs-none-yet = No run with work yet.
runs-strip = { $worker }: { $count ->
    [one] { $count } run
   *[other] { $count } runs
  }, failed: { $bad }, with a warning: { $warning }.

runs-about-auto-renewal = Charges and extends subscriptions that end.
runs-about-fast-expiry-cleanup = Ends subscriptions that were not renewed.
runs-about-trial-notifications = Stores the reminders of trials.
runs-about-expiry-reminders = Stores the reminders before an end.
runs-about-reconcile-xray-state = Compares each node with the database.
runs-about-raise-alarms = Looks for problems, and alarms the admins.
runs-about-bulk-jobs = Changes the customers of bulk jobs.
runs-about-store-forecast = Stores the forecast of the charges for the guard.
runs-about-deliver-notifications = Sends the notifications.

runs-worker = Worker
runs-outcome = Outcome
runs-started = Start
runs-took = Duration
runs-examined = Examined
runs-changed = Changed
runs-failed = Failed
runs-held = Held
runs-replica = Replica
runs-overlapping = Other runs at the same time
runs-outcome-running = running
runs-outcome-success = success
runs-outcome-partial = partial, more follows
runs-outcome-skipped = skipped
runs-outcome-degraded = with failures
runs-outcome-failed = failed
runs-outcome-lost = lost

runs-actions = Changes
runs-charges = Entries of the ledger
runs-notices = Stored notifications
runs-quarantined = Put into quarantine: { $count }
runs-events = Events, the first 100
runs-no-events = This run has no events.
runs-at = Time
runs-customer = Customer
runs-subject = Subject
runs-action = Change

runs-dry-run = Dry run
runs-dry-run-of = Dry run: { $worker }
runs-dry-run-effect = A dry run changes nothing. It shows what a run would do at this moment.
runs-decisions = Decisions of a run at this moment
runs-nothing = A run at this moment has nothing to do.
runs-incomplete = The time was too short for all items. More items are due.
runs-decision = Decision
runs-count = Items
runs-amount = Amount
runs-first = The first { $count } items:
runs-run = Run now
runs-run-of = Run now: { $worker }
runs-run-effect = A replica of the service starts the run within a second. The run does what the next scheduled run would do.
runs-requested = The run of { $worker } is requested.
