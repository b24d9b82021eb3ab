import { createHash } from 'node:crypto';
import fastify from 'fastify';
import pg from 'pg';
import { openDatabase, openPool, toClientConfig, workLimits } from '../src/db/connect.ts';
import { readCustomerWithNodes } from '../src/subscription/queries/customer-view.ts';

// The smallest server that answers like the API: Fastify, `pg` and prepared statements by hand. It
// checks no token and no input. The API is compared with it.

const [, , url] = process.argv as [string, string, string];
const pool = new pg.Pool({ ...toClientConfig(url, workLimits), max: 10 });
/** With the values of the driver: its numbers and times can be written as JSON. */
const plainPool = new pg.Pool({ connectionString: url, max: 10 });
const server = fastify({ logger: false });

interface Path {
  readonly Params: { readonly id: string };
}

/** The statement of the API for this customer, as the driver receives it. */
async function recordStatement(telegramId: bigint): Promise<{ text: string; values: unknown[] }> {
  const recorded: { text: string; values: unknown[] }[] = [];
  const recordedPool = openPool(url);
  recordedPool.on('connect', (client) => {
    const query = client.query.bind(client) as (...given: unknown[]) => unknown;
    client.query = ((text: string, values: unknown[]) => {
      recorded.push({ text, values });
      return query(text, values);
    }) as typeof client.query;
  });
  await readCustomerWithNodes(openDatabase(recordedPool), telegramId);
  await recordedPool.end();
  const longest = recorded.toSorted((one, other) => other.text.length - one.text.length)[0];
  if (longest === undefined) throw new Error('the API sent no statement');
  return longest;
}

const anyTelegramId = 100_000_001n;
const statement = await recordStatement(anyTelegramId);

/** The one statement of the API, prepared. */
server.get<Path>('/v1/customers/:id', async ({ params }) => {
  const values = statement.values.map((value) => (value === anyTelegramId ? params.id : value));
  const { rows } = await plainPool.query({ name: 'view', text: statement.text, values });
  return rows;
});

/** The smallest prepared statement. */
server.get<Path>('/v1/rows/:id', async ({ params }) => {
  const { rows } = await pool.query({
    name: 'customer',
    text: `SELECT id::int, telegram_id::text, locale, time_zone, currency, vip, discount_percent,
        reachable, sub_token, balance_minor::text, claim_minor::text, trial_used_at, created_at
      FROM perennial.customer WHERE telegram_id = $1`,
    values: [params.id],
  });
  return rows[0];
});

interface TopUpPath extends Path {
  readonly Body: { readonly amount: string };
  readonly Headers: { readonly 'idempotency-key': string };
}

/** The statements of `top-up`, one after the other. */
server.post<TopUpPath>('/v1/customers/:id/top-ups', async ({ params, body, headers }, reply) => {
  const client = await pool.connect();
  const run = async (name: string, text: string, values: unknown[] = []) =>
    (await client.query({ name, text, values })).rows[0];
  const key = headers['idempotency-key'];
  const amountMinor = BigInt(body.amount) * 100n;
  const fingerprint = createHash('sha256')
    .update(JSON.stringify({ id: params.id, amount: body.amount }))
    .digest('hex');
  const owned = ['top-up', key, 'hand'];
  try {
    await client.query('BEGIN');
    await run('free', 'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS free', [
      `top-up hand ${key}`,
    ]);
    await run(
      'lock',
      'SELECT id FROM perennial.customer WHERE telegram_id = $1 FOR NO KEY UPDATE',
      [params.id],
    );
    await run(
      'key',
      `INSERT INTO perennial.idempotency (scope, key, owner, fingerprint, at)
       VALUES ($1, $2, $3, $4, perennial.clock()) ON CONFLICT DO NOTHING`,
      [...owned, fingerprint],
    );
    const clock = await run(
      'clock',
      `SELECT perennial.clock() AS now, c.suspect_cause FROM perennial.installation i
       LEFT JOIN perennial.clock_state c ON true`,
    );
    const now = new Date(clock.now).toISOString();
    await run('settings', 'SELECT jsonb_object_agg(key, value) FROM perennial.setting WHERE $1', [
      true,
    ]);
    const customer = await run(
      'read',
      `SELECT id, currency, balance_minor, claim_minor FROM perennial.customer
       WHERE telegram_id = $1`,
      [params.id],
    );
    const { id: entryId } = await run(
      'entry id',
      "SELECT nextval('perennial.ledger_entry_id_seq') AS id WHERE $1",
      [true],
    );
    const afterMinor = BigInt(customer.balance_minor) + amountMinor;
    await run(
      'entry',
      `INSERT INTO perennial.ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
         idempotency_key, created_at)
       OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, 'top_up', $5, $6)`,
      [entryId, customer.id, amountMinor, afterMinor, `top_up:${entryId}`, now],
    );
    await run(
      'balance',
      'UPDATE perennial.customer SET balance_minor = $2 WHERE id = $1 AND balance_minor + $3 = $2',
      [customer.id, afterMinor, amountMinor],
    );
    await run(
      'retry',
      `UPDATE perennial.subscription SET next_try_at = NULL,
         woken_at = CASE WHEN state = 'expired' THEN $2::timestamptz END
       WHERE customer_id = $1 AND next_try_at IS NOT NULL AND kind = 'paid' AND auto_renew
         AND (state = 'active' OR state = 'expired'
           AND expires_at >= $2::timestamptz - interval '7 days')`,
      [customer.id, now],
    );
    await run(
      'quarantine',
      `DELETE FROM perennial.quarantine
       WHERE worker IN ('auto-renewal', 'fast-expiry-cleanup') AND item IN (
         SELECT id::text FROM perennial.subscription WHERE customer_id = $1)`,
      [customer.id],
    );
    await run(
      'remind',
      `UPDATE perennial.subscription s SET remind_at = $2
       WHERE s.customer_id = $1 AND s.kind = 'paid' AND s.auto_renew AND s.state = 'active'
         AND s.expires_at <= $2::timestamptz + interval '3 days'
         AND EXISTS (SELECT FROM perennial.known_price k
           WHERE k.subscription_id = s.id AND k.source = 'terms')`,
      [customer.id, now],
    );
    await run(
      'event',
      `INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
       VALUES ($1, $2, 'topped_up', 'hand', $3, $4)`,
      [
        customer.id,
        `customer:${customer.id}`,
        now,
        JSON.stringify({ ledger_entry_id: String(entryId), amount_minor: String(amountMinor) }),
      ],
    );
    const answer = {
      telegram_id: Number(params.id),
      amount: body.amount,
      balance: String(afterMinor),
      currency: customer.currency,
      ledger_entry_id: Number(entryId),
    };
    await run(
      'answer',
      'UPDATE perennial.idempotency SET answer = $4 WHERE scope = $1 AND key = $2 AND owner = $3',
      [...owned, JSON.stringify(answer)],
    );
    await client.query('COMMIT');
    return reply.code(201).send(answer);
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
});

const address = await server.listen({ host: '127.0.0.1', port: 0 });
process.on('disconnect', () => process.exit(0));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.((user + system) / 1_000);
});
process.send?.({ address, token: 'none' });
