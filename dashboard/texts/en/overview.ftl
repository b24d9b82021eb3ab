# The overview: problems with their remedies, and figures.
overview-problems = { $count ->
    [0] Problems
    [one] { $count } problem
   *[other] { $count } problems
  }
overview-calm = No problem at the moment.
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
overview-audit = Last audit
overview-audit-everything = Last audit
overview-audit-changes = Last audit, of changes
overview-no-audit = none
overview-audit-ok = no violation
overview-violations = { $count ->
    [one] { $count } violation
   *[other] { $count } violations
  }
overview-active = Active subscriptions
overview-customers = Customers
overview-about = about { $count }
