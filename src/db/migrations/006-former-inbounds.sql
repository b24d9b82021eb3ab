-- oldest-program: 0.1.0
-- Inbounds of a node that its configuration no longer names, and on which users of ours may still be:
-- their keeper takes each off when its mark is worked off. A start of the node forgets them with their
-- users; at another address there never were any.
ALTER TABLE perennial.node ADD COLUMN former_inbounds text[] NOT NULL DEFAULT '{}';
