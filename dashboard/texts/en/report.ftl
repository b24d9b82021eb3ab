# The report of a month.
report-month = Month, in UTC
report-again = Calculate again
report-complete = { $month } is complete. The figures are of { $now }.
report-partial = { $month } is not over. The figures are of { $now }.
report-csv-ledger = All entries of the ledger as CSV
report-csv-periods = All charged periods as CSV
report-empty = This month has no figures.
report-count = { $count ->
    [one] { $count } entry
   *[other] { $count } entries
  }
report-collected = Collected
report-charged = Charged
report-purchases = Purchases
report-renewals = Renewals
report-refunded = Refunded to balances
report-paid_out = Paid out
report-charged_back = Charged back
report-earned = Earned
report-by-day = by day used
report-owed-balances = Owed: balances
report-owed-time = Owed: unused time
report-periods = { $count ->
    [one] { $count } period
   *[other] { $count } periods
  }
report-claims = Claims
report-churn = Churn of customers
report-churn-money = of MRR: { $rate }
report-trials = Trials that paid
report-continued = Periods that continued
report-part = { $part } of { $of }
report-lost = Lost for lack of money
report-lost-mrr = MRR: { $amount }

report-balances = Balances of customers
report-balances-start = At the start
report-balances-opening = Imported
report-balances-collected = Collected
report-balances-moved = Moved payments
report-balances-adjustments = Adjustments
report-balances-refunds = Refunds
report-balances-purchases = Purchases
report-balances-renewals = Renewals
report-balances-payouts = Paid out
report-balances-chargebacks = Charged back
report-balances-claims = Claims
report-balances-end = At the end

report-time = Unused time
report-time-start = At the start
report-time-charged = Charged
report-time-earned = Earned
report-time-refunded = Refunded
report-time-end = At the end

report-mrr = Monthly recurring revenue (MRR)
report-mrr-start = At the start
report-mrr-new = New
report-mrr-revived = Returned
report-mrr-expansion = Expansion
report-mrr-contraction = Contraction
report-mrr-churned = Lost
report-mrr-end = At the end

report-customers = Customers with MRR
report-customers-start = At the start
report-customers-new = New
report-customers-revived = Returned
report-customers-churned = Lost
report-customers-end = At the end

report-providers = Collected by provider
report-provider = Provider
report-no-provider = no provider
report-payments = Payments
report-amount = Amount
report-no-payments = No payment in this month.
report-cohorts = Customers by the month of their first charge
report-cohort-month = First charge
report-cohort-customers = Customers
report-cohort-paying = With MRR at the end
report-cohort-charged = Charged in this month
report-cohort-mrr = MRR at the end
report-no-cohorts = No customer has been charged.
