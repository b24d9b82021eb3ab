-- oldest-program: 0.1.0
-- Indexes for reports: entries by time, and the ends of subscriptions.

-- Entries are appended in the order of time, so a summary of each range of pages suffices. A charge
-- writes to this index only when a new range of pages begins.
CREATE INDEX ledger_entry_time ON perennial.ledger_entry USING brin (created_at)
  WITH (pages_per_range = 32, autosummarize = on);

CREATE INDEX event_expired ON perennial.event (at) WHERE action = 'expired';
