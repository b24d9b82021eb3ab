import { createHash } from 'node:crypto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type pg from 'pg';
import type { CredentialId } from '../src/kernel/ids.ts';
import type { DriftKind } from '../src/workers/reconcile-xray-state/rule.ts';
import type { Flow } from '../src/xray/flow.ts';
import { encodeAccount, inboundTypes, methodPaths } from '../src/xray/grpc/contract.ts';
import { wire } from '../src/xray/grpc/wire.js';
import { formatUserName } from '../src/xray/user-names.ts';

// A database of credentials, and a node that differs in about one of a hundred, in all possible
// ways. The node is not the embedded one, which would hold each user three times. It has only the
// bytes of its answer.

export const driftedNode = { id: 'nl-1', inbound: 'vless-a', installation: 'perennial' } as const;
const flow = 'xtls-rprx-vision';

/**
 * Of each thousand users: numbers 0 to 2 are missing on the node, 3 to 5 are unwanted, and so on.
 */
const perThousand: Readonly<Record<DriftKind, number>> = {
  missing: 3,
  unwanted: 3,
  different: 2,
  unknown: 1,
  conflict: 1,
};

/** The drift that a comparison must find. @param users a multiple of 1,000 */
export function computeDrift(users: number): Record<DriftKind, number> {
  const all = Object.entries(perThousand).map(([kind, count]) => [kind, (count * users) / 1_000]);
  return Object.fromEntries(all);
}

/** Fills a migrated, empty test database with the rows that a comparison reads. */
export async function buildCredentials(
  client: pg.Client,
  users: number,
  api: string,
): Promise<void> {
  const scattered = "overlay(md5('credential' || i) PLACING '4' FROM 13 FOR 1)::uuid";
  await client.query(`
    SET session_replication_role = replica; -- rows that are right by construction: no checks
    SET synchronous_commit = off;
    SET maintenance_work_mem = '512MB';
    INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{}', '{all}');
    INSERT INTO perennial.node (id, api, inbounds, groups, link) VALUES ('${driftedNode.id}', '${api}',
      '{${driftedNode.inbound}}', '{all}', '{"host": "n.example", "port": 443, "flow": "${flow}"}');
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    SELECT i + 1, 'RUB', 'token' || lpad(i::text, 17, '0'), '2026-01-01Z'
    FROM generate_series(0, ${users - 1}) AS i;
    INSERT INTO perennial.subscription (id, customer_id, kind, plan, period_days, state, started_at,
      expires_at)
    OVERRIDING SYSTEM VALUE
    SELECT i, i + 1, 'paid', 'basic', 30, CASE WHEN i % 1000 IN (3, 4, 5) THEN 'expired'
      ELSE 'active' END, '2026-11-01Z', '2026-12-01Z' FROM generate_series(0, ${users - 1}) AS i;
    INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at, retired_at)
    SELECT ${scattered}, i, i + 1, '2026-11-01Z',
      CASE WHEN i % 1000 IN (3, 4, 5) THEN '2026-11-20Z'::timestamptz END
    FROM generate_series(0, ${users - 1}) AS i;
    UPDATE perennial.installation SET clock_at = '2026-11-24T09:00Z'`);
  await client.query('VACUUM (ANALYZE, FREEZE)');
}

/** An id without a credential. */
const toUnknownId = (i: number): CredentialId => {
  const hex = createHash('md5').update(`unknown ${i}`).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as CredentialId;
};

function encodeEntry(email: string, id: CredentialId, entryFlow: Flow = flow): Uint8Array {
  const user = { level: 0, email, account: encodeAccount('vless', id, entryFlow) };
  return wire.InboundUsers.encode({ users: [user] }).finish();
}

/** The entries of the node for the credential with number `i`. */
function encodeEntries(i: number, id: CredentialId): Uint8Array[] {
  const name = formatUserName(driftedNode.installation, id);
  switch (i % 1_000) {
    case 0:
    case 1:
    case 2:
      return [];
    case 6:
      return [encodeEntry(name, toUnknownId(i))];
    case 7:
      return [encodeEntry(name, id, '')];
    case 8:
      return [
        encodeEntry(name, id),
        encodeEntry(formatUserName(driftedNode.installation, toUnknownId(i)), toUnknownId(i)),
      ];
    case 9:
      return [encodeEntry(name, id), encodeEntry(`somebody-${i}`, id)];
    case 500:
      return [encodeEntry(name, id), encodeEntry(`panel-${i}`, toUnknownId(i))];
    default:
      return [encodeEntry(name, id)];
  }
}

export interface ListAnswer {
  readonly bytes: Buffer;
  readonly users: number;
}

export async function buildAnswer(client: pg.Client): Promise<ListAnswer> {
  const chunks: Buffer[] = [];
  let users = 0;
  for (let after = -1; ; ) {
    const { rows } = await client.query({
      text: `SELECT subscription_id::int, id FROM perennial.credential WHERE subscription_id > $1
        ORDER BY subscription_id LIMIT 20000`,
      values: [after],
      rowMode: 'array',
    });
    if (rows.length === 0) break;
    const entries = (rows as [number, CredentialId][]).flatMap(([i, id]) => encodeEntries(i, id));
    users += entries.length;
    chunks.push(Buffer.concat(entries));
    after = (rows as [number, CredentialId][]).at(-1)?.[0] ?? after;
  }
  return { bytes: Buffer.concat(chunks), users };
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** Serves the list that `answer` returns. */
export async function serveDriftedNode(
  answer: () => ListAnswer,
): Promise<{ readonly api: string; stop(): void }> {
  const server = new Server();
  const proxySettings = { type: inboundTypes.vless };
  const inbounds = [{ tag: driftedNode.inbound, proxySettings }];
  const answers: Readonly<Record<string, () => Uint8Array>> = {
    [methodPaths.listInbounds]: () => wire.Inbounds.encode({ inbounds }).finish(),
    [methodPaths.getInboundUsersCount]: () =>
      wire.InboundUsersCount.encode({ count: answer().users }).finish(),
    [methodPaths.getInboundUsers]: () => answer().bytes,
  };
  for (const [path, createBytes] of Object.entries(answers)) {
    server.register(
      path,
      (_: unknown, done: (error: null, bytes: Buffer) => void) =>
        done(null, Buffer.from(createBytes())),
      asIs,
      asIs,
      'unary',
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { api: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}
