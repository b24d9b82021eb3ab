# The nodes.
nodes-empty = There is no node. Add one to the configuration, and apply it.
nodes-all = Nodes
nodes-down = Down
nodes-additions = Users to add
nodes-removals = Users to remove
nodes-node = Node
nodes-status = Status
nodes-users = Users
nodes-pending = Pending changes
nodes-seen = Last contact
nodes-compared = Last comparison
nodes-error = Last error
nodes-state-up = up
nodes-state-down = down
nodes-state-draining = draining
nodes-state-unseen = no contact yet
nodes-state-seeding = seeding
nodes-groups = Groups:
nodes-since = since
nodes-progress = { $done } of { $of }
nodes-waiting = { $add } to add, { $remove } to remove
nodes-oldest = the oldest removal since
nodes-failures = { $count ->
    [one] { $count } failure
   *[other] { $count } failures
  }; the next attempt at
