import { type Bot, formatIso } from './row-at-a-time.ts';

// Expiry as a bot does it, one subscription after another. It writes the same rows and takes the
// same locks as the engine, by eight statements and one per node.

export const createExpiryBot = (nodes: readonly string[]): Bot => ({
  find: `SELECT id FROM perennial.subscription WHERE state = 'active' AND expires_at <= $1
    ORDER BY expires_at, id LIMIT $2`,
  async processOne(runQuery, id, now) {
    const owner = await runQuery(
      'owner',
      'SELECT customer_id FROM perennial.subscription WHERE id = $1',
      [id],
    );
    await runQuery('customer', 'SELECT * FROM perennial.customer WHERE id = $1 FOR NO KEY UPDATE', [
      owner?.customer_id,
    ]);
    const found = await runQuery(
      'subscription',
      'SELECT * FROM perennial.subscription WHERE id = $1',
      [id],
    );
    if (found === undefined || found.state !== 'active' || found.expires_at > now.getTime()) {
      return false;
    }
    const { customer_id: customer, plan, kind, expires_at: endMs } = found;
    const detail = { plan, expires_at: formatIso(new Date(endMs)) };
    await runQuery(
      'end',
      `UPDATE perennial.subscription SET state = 'expired', next_try_at = 'infinity' WHERE id = $1`,
      [id],
    );
    const credential = await runQuery(
      'retire',
      `UPDATE perennial.credential SET retired_at = $2
       WHERE subscription_id = $1 AND retired_at IS NULL RETURNING id`,
      [id, now],
    );
    for (const node of nodes) {
      await runQuery(
        'mark',
        `INSERT INTO perennial.access_sync (node_id, credential_id, urgent, next_attempt_at,
           marked_at) VALUES ($1, $2, true, $3, $3)
         ON CONFLICT (node_id, credential_id) DO UPDATE SET
           version = nextval('perennial.access_sync_version'), urgent = true,
           next_attempt_at = excluded.next_attempt_at, marked_at = excluded.marked_at`,
        [node, credential?.id, now],
      );
    }
    await runQuery(
      'notice',
      `INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
         params, next_attempt_at, created_at)
       VALUES ($1, $2, 'telegram', $3, $4, $5, $6, $6) ON CONFLICT (dedupe_key) DO NOTHING`,
      [
        ...[customer, id, kind === 'trial' ? 'trial_ended' : 'expired', `expired:${id}:${endMs}`],
        ...[detail, now],
      ],
    );
    await runQuery(
      'event',
      `INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
       VALUES ($1, $2, 'expired', 'bot', $3, $4)`,
      [customer, `subscription:${id}`, now, detail],
    );
    return true;
  },
});
