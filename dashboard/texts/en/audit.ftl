# The audit.
audit-about = The audit checks every promise on the present database. It reads all rows and changes no data of customers.
audit-needs-admin = The audit needs the role admin. The overview shows the result of the last audit.
audit-run = Check everything now
audit-run-changes = Check only changes
audit-stop = Stop
audit-none-yet = No audit ran in this session.
audit-progress = Progress of the audit
audit-starts = The audit starts…
audit-at = Check { $at } of { $of } after { $time }:
audit-at-other = Another audit runs, check { $at } of { $of } after { $time }:
audit-result = Result
audit-ok = No violation
audit-wrong = Violations
audit-violations = Violations
audit-checks = Checks
audit-took = Duration
audit-everything = Everything was checked: { $because }.
audit-changes = Only customers that changed since { $at } were checked: { $count }.
audit-violated = Violated checks
audit-all = All checks by promise
audit-sample = The first { $count } violations:
audit-customer = Customer { $id }:
audit-check-count = { $count ->
    [one] { $count } check
   *[other] { $count } checks
  }
audit-promise-none = Impossible states
audit-promise-1 = Conservation of money
audit-promise-2 = One charge per period
audit-promise-3 = Charge and extension together
audit-promise-4 = No wrongful cut-off
audit-promise-5 = No free access
audit-promise-6 = No lost notification
audit-promise-7 = No outdated notification
audit-promise-8 = No network inside a transaction
audit-promise-9 = Isolated failures
audit-promise-10 = N replicas are as safe as one
