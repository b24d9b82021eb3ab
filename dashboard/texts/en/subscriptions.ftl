# The list of subscriptions, and changes of all customers of a filter.
subscriptions-id = Number
subscriptions-customer = Customer
subscriptions-plan = Plan
subscriptions-state = State
subscriptions-end = End
subscriptions-auto-renew = Auto-renewal
subscriptions-on = on
subscriptions-off = off
subscriptions-balance = Balance
subscriptions-missing = Missing
subscriptions-empty = No subscription matches these filters.
subscriptions-bulk = Changes of all customers of the filter
subscriptions-bulk-all = All customers of this filter:
subscriptions-bulk-no-filter = Set a filter to change all of its customers:
subscriptions-open-grant = Give days…
subscriptions-open-auto_renew = Auto-renewal…
subscriptions-open-announcement = Send a message…
subscriptions-jobs = Bulk jobs
subscriptions-jobs-running = { $count ->
    [one] { $count } bulk job is running
   *[other] { $count } bulk jobs are running
  }
subscriptions-start = { $count ->
    [one] Change { $count } customer
   *[other] Change { $count } customers
  }
subscriptions-started = The job has started.
subscriptions-preview-waits = Fill in the fields to see the customers.
subscriptions-preview-count = { $count ->
    [0] No customer matches.
    [one] { $count } customer matches.
   *[other] { $count } customers match.
  }
subscriptions-preview-estimate = About { $count } customers match.
subscriptions-preview-first = The first customers that match
subscriptions-end-now = End now
subscriptions-end-after = End after
subscriptions-plus-days = { $count ->
    [one] { $count } more day
   *[other] { $count } more days
  }
subscriptions-grant-title = Give free days
subscriptions-days = Days
subscriptions-auto-renew-title = Switch auto-renewal
subscriptions-notice-title = Send a message
subscriptions-notice-language = Language of the text
subscriptions-notice-text = Text ({ $language })
subscriptions-notice-en-hint = For all languages without their own text.
subscriptions-notice-add = Add a language
subscriptions-notice-code = Language code
subscriptions-notice-code-hint = Like fa or pt-BR.
