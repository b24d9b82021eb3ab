-- oldest-program: 0.1.0
-- Who delivers messages: for each bot, mailbox or log one courier over all replicas, under an epoch
-- that whoever takes the post draws anew. Of one sequence: a notice's epoch names one courier.
CREATE SEQUENCE perennial.courier_epoch;
CREATE TABLE perennial.courier (
  id text PRIMARY KEY,
  epoch bigint NOT NULL DEFAULT 0,
  -- Nothing is sent before: the gateway said so, or it is unwell.
  rests_until timestamptz(3),
  -- Sends in a row that the gateway did not answer for.
  failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
  last_error text
);

ALTER TABLE perennial.notification
  -- Which of the admins, by what the channel calls them; none: the customer, or all admins.
  ADD COLUMN recipient text,
  -- What may wait for everything else: reminders.
  ADD COLUMN bulk boolean NOT NULL DEFAULT false,
  -- The courier that sent it last.
  ADD COLUMN epoch bigint,
  -- Sends of which nobody knows what became: it may have arrived so often beside the one that is known.
  ADD COLUMN lost_answers int NOT NULL DEFAULT 0 CHECK (lost_answers >= 0);

-- In the order in which a courier works them off. What is not tried again is at infinity.
DROP INDEX perennial.notification_owed;
CREATE INDEX notification_owed ON perennial.notification (channel, bulk, next_attempt_at, id)
  WHERE state IN ('pending', 'uncertain');
