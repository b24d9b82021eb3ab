# The forecast.
forecast-about = These renewals and ends follow if no customer pays, buys or changes anything. Days are in UTC.
forecast-range = Range
forecast-again = Calculate again
forecast-from = Calculated at { $time }.
forecast-renewals = Will pay
forecast-short = Short of money
forecast-ending = Will end
forecast-amount = Charges
forecast-by-day = Figures by day
forecast-day = Day
forecast-empty = Nothing happens in this time.
forecast-point = Select a day for its list.
forecast-pointed = { $day }: will pay { $renewals }, short of money { $short }, will end { $ending }.
forecast-day-list = { $day }
forecast-day-rows = Subscriptions of this day
forecast-close = Close the list
forecast-first = The first { $shown } of { $total } rows.
forecast-outcome = Outcome
forecast-is-renewed = will pay
forecast-is-short = short of money
forecast-is-ends = will end
forecast-customer = Customer
forecast-starts = End of the present period
forecast-charge = Charge
forecast-what-if = What if: other prices
forecast-what-if-about = The forecast applies these prices from now on. Nothing is changed.
forecast-present-price = Present price
forecast-new-price = New price
forecast-add-price = Calculate with this price
forecast-price = { $plan }, { $days ->
    [one] { $days } day
   *[other] { $days } days
  }: { $amount }
forecast-remove = Remove
forecast-remove-price = Remove { $price }
forecast-effect = Effect of the other prices
error-forecast_running = Another forecast is running. Try again in a moment.
error-report_running = Another report is running. Try again in a moment.
error-audit_running = Another audit is running. Try again in a moment.
error-future_month = This month has not begun.
