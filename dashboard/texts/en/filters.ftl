# Filters of customers and subscriptions, and the states of a subscription.
filter-state = State
filter-kind = Kind
filter-plan = Plan
filter-node_group = Node group
filter-within = Ends within
filter-ends_after = Ends from
filter-ends_before = Ends before
filter-auto_renew = Auto-renewal
filter-short = Will be short
filter-tried = Waits for money
filter-unreachable = Unreachable
filter-blocked = Blocked

state-active = active
state-expired = expired
state-revoked = revoked
kind-trial = trial
kind-paid = paid
