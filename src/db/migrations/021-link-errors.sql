-- oldest-program: 0.1.0
-- Values of a link that no inbound of the node fits: customers cannot connect by it. The keeper
-- writes it when it reads the inbounds; `apply` clears it for a changed node. Null: none is known.
ALTER TABLE perennial.node ADD COLUMN link_error text;
