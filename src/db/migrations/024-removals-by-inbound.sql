-- oldest-program: 0.1.0
-- The node has to remove the user from an inbound that `apply` took from it. The user may still have
-- access to the other inbounds.
ALTER TABLE perennial.access_sync ADD COLUMN removes boolean NOT NULL DEFAULT false;
ALTER TABLE perennial.marking ADD COLUMN removes boolean NOT NULL DEFAULT false;
