# The decisions that a run would make.
preview-empty = A run would find nothing to do now.
preview-incomplete = The time was too short: more items are due.
preview-outcomes = Decisions of a run
preview-outcome = Decision
preview-count = Count
preview-amount = Amount
preview-sample = { $count ->
    [one] The first item
   *[other] The first { $count } items
  }
preview-outcome-renew = renew
preview-outcome-wait-for-money = wait for money
preview-outcome-wait-for-unblock = wait, the customer is blocked
preview-outcome-hold-charge = charge held by the guard
preview-outcome-hold-end = end held by the guard
preview-outcome-hold = keep, in quarantine
preview-outcome-quarantine = put into quarantine
preview-outcome-give-up = stay expired
preview-outcome-end = expire
preview-outcome-change-terms = change to the booked terms
preview-outcome-nothing = nothing to do
preview-outcome-remind = remind
preview-outcome-tell-price = notify of a new price
preview-outcome-tell-withdrawn = notify that the price is gone
preview-outcome-tell-renewal = notify of the renewal
preview-outcome-wait = wait
preview-outcome-send = send
preview-outcome-suppress = do not send
preview-outcome-alarm = raise an alarm
preview-outcome-over = clear an alarm
preview-outcome-failed = fails
preview-outcome-missing = user is missing on the node
preview-outcome-unwanted = user has no right to the node
preview-outcome-unknown = unknown user on the node
preview-outcome-different = user differs on the node
preview-outcome-conflict = a foreign name has the UUID of a customer
