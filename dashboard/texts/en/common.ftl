# The frame of all pages.
page-overview = Overview
page-forecast = Forecast
page-customers = Customers
page-customer = Customer
page-subscriptions = Subscriptions
page-bulk-jobs = Bulk jobs
page-nodes = Nodes
page-messages = Messages
page-runs = Runs
page-quarantine = Quarantine and guards
page-report = Report
page-audit = Audit
page-unknown-title = Unknown page
page-unknown = This page does not exist.

menu = Menu
skip-to-content = Skip to content
lookup = Find a customer: Telegram id, c123, UUID, payment
language = Language
language-en = English
language-ru = Русский
theme = Theme
theme-system = As the system
theme-light = Light
theme-dark = Dark
sign-out = Sign out
role-read = reads
role-sell = sells
role-admin = admin

live-live = Live
live-connecting = Connecting…
live-paused = Paused

sign-in-pending = Signing in…
sign-in-present = You are signed in as { $name } in this browser. A new link replaces this session.
sign-in-stay = Stay { $name }
sign-in-replace = Use the new link
sign-in-help = Create a new link on the server, and open it in this browser:

loading = Loading…
retry = Try again
cancel = Cancel
working = Working…
now = Now
after = After
yes = yes
no = no
any = any
show-changes = Show changes
first-page = First page
next-page = Next page
rows = { $count ->
    [one] { $count } row
   *[other] { $count } rows
  }
rows-estimated = about { $count } rows
searching = No match on this page. The search continues…
csv = CSV, up to { $count } rows
clear-filters = Clear filters
more-filters = More filters
days = { $count ->
    [one] { $count } day
   *[other] { $count } days
  }

error-offline = The service does not answer. Your data is safe; the page tries again.
error-internal = The service failed. Its log has the cause.
error-unavailable = The database does not answer. Try again in a moment.
error-too_slow = The database took too long. Try again in a moment.
error-too_many_requests = Too many requests. Try again in a minute.
error-forbidden = Your role does not allow this.
error-unauthorized = Your session has ended. Create a new link.
error-clock_suspect = The clock is suspect, so changes wait. Confirm the time on the overview.
error-bad_link = This link is not valid. Create a new one.
error-link_used = This link was used before. If you did not use it, run "perennial ui sessions" and sign that session out.
error-link_expired = This link has expired. A link works for 10 minutes.
