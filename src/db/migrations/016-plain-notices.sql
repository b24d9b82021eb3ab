-- oldest-program: 0.1.0
-- A gateway refused the formatted message, so the notification is sent once more as plain text.
ALTER TABLE perennial.notification ADD COLUMN plain boolean NOT NULL DEFAULT false;

-- For the alarm that names the kinds which were refused lately. Holds only refused notifications.
CREATE INDEX notification_plain ON perennial.notification (next_attempt_at, kind) WHERE plain;
