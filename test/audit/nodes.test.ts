import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { auditHtml } from '../../src/cli/audit-html.ts';
import { auditNodes } from '../../src/cli/audit-nodes.ts';
import { auditMarkdown, auditText } from '../../src/cli/audit-text.ts';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { revoke } from '../../src/subscription/granting.ts';
import type { Conduct } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { userName } from '../../src/xray/names.ts';
import type { Books } from '../books.ts';
import { credentialOf, unmark } from '../nodes/compared.ts';
import { aNode, shopOn } from '../nodes/kept.ts';
import { payer } from '../shop.ts';

// `audit --nodes`: a violation of each kind is planted on a node, and named.

async function scene(customers: number) {
  const node = await aNode();
  const books = await shopOn({ 'nl-1': { api: node.api } });
  const api = connectNode({ api: node.api });
  onTestFinished(async () => {
    api.close();
    node.stop();
    await books.close();
  });
  const people = [];
  for (let telegramId = 1n; telegramId <= BigInt(customers); telegramId += 1n) {
    const subscriptionId = await payer(books, telegramId, 0n);
    const id = await credentialOf(books, subscriptionId);
    const name = userName('perennial', id);
    await api.addUser('vless', { name, id, flow: '' });
    people.push({ telegramId, subscriptionId, id, name });
  }
  await unmark(books);
  return { node, books, api, people };
}

async function reportOf({ db, url }: Books) {
  const { signal } = new AbortController();
  return auditNodes(await audit(db), { db, url, signal });
}

async function foundIn(books: Books) {
  const report = await reportOf(books);
  const broken = report.checks.filter(({ violations }) => violations > 0n);
  const found = broken.flatMap(({ id, sample }) =>
    sample.map(({ telegramId, rows }) => ({ id, telegramId, rows })),
  );
  return { report, found };
}

test('nodes that hold what the books say are right, and what was looked at is said', async () => {
  const { books } = await scene(3);
  const { report, found } = await foundIn(books);
  expect(found).toEqual([]);
  expect(report).toMatchObject({ ok: true, lookedAt: { node: 1n, node_user: 3n } });
  expect(auditText(report)).toMatch(/The books are right, and the nodes hold what they say: all/);
  expect(auditText(report)).toMatch(/1 node, 3 node users/);
});

test('who is missing, different, unwanted, unknown, or shares a UUID is named; nothing is written', async () => {
  const { books, api, people } = await scene(5);
  const [missing, different, unwanted, shared] = people as [P, P, P, P, P];
  type P = (typeof people)[0];
  await api.removeUser('vless', missing.name);
  await api.removeUser('vless', different.name);
  const another = randomUUID() as CredentialId;
  await api.addUser('vless', { name: different.name, id: another, flow: '' });
  await revoke(
    { db: books.db, actor: 'test' },
    { telegramId: unwanted.telegramId, reason: 'test' },
  );
  await unmark(books);
  await api.addUser('vless', { name: 'panel-7', id: shared.id, flow: '' });
  const stray = randomUUID() as CredentialId;
  await api.addUser('vless', { name: userName('perennial', stray), id: stray, flow: '' });

  const { report, found } = await foundIn(books);
  const at = (who: P) => ({
    telegramId: who.telegramId,
    rows: { node: ['nl-1'], subscription: [who.subscriptionId] },
  });
  const ours = (id: string) => (one: { id: string }) => one.id === id;
  expect(found).toHaveLength(5);
  expect(found.filter(ours('node-has-who-may-connect'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining(at(missing)),
      expect.objectContaining(at(different)),
    ]),
  );
  expect(found.filter(ours('node-shares-no-uuid'))).toMatchObject([at(shared)]);
  expect(found.filter(ours('node-has-nobody-else'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining(at(unwanted)),
      expect.objectContaining({ telegramId: null, rows: { node: ['nl-1'] } }),
    ]),
  );
  expect(report.ok).toBe(false);
  for (const print of [auditText, auditMarkdown, auditHtml]) {
    expect(print(report)).toMatch(/The nodes are not as the books say: 5 violations of 3 checks/);
  }
  const { rows } = await sql`
    SELECT FROM perennial.access_sync UNION ALL SELECT FROM perennial.stray`.execute(books.db);
  expect(rows).toEqual([]);
});

test('what is marked is on its way, and is not told', async () => {
  const { books, api, people } = await scene(2);
  await api.removeUser('vless', people[0]?.name ?? '');
  await sql`
    INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
    VALUES ('nl-1', ${people[0]?.id}, perennial.clock(), perennial.clock())`.execute(books.db);
  expect((await foundIn(books)).found).toEqual([]);
});

test('who is let in while the audit looks is not told: what it found has to be there twice', async () => {
  const { node, books, api, people } = await scene(2);
  const [late, missing] = people as [(typeof people)[0], (typeof people)[0]];
  for (const { name } of [late, missing]) await api.removeUser('vless', name);
  let lists = 0;
  node.conduct = async ({ method }): Promise<Conduct> => {
    if (method !== 'GetInboundUsers') return 'serve';
    lists += 1;
    if (lists === 2) await api.addUser('vless', { name: late.name, id: late.id, flow: '' });
    return 'serve';
  };
  const { found } = await foundIn(books);
  expect(lists).toBe(2);
  expect(found).toMatchObject([{ id: 'node-has-who-may-connect', telegramId: missing.telegramId }]);
});

test('while a node is being filled after a start, who misses is on his way', async () => {
  const { node, books } = await scene(2);
  await sql`UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = NULL`.execute(
    books.db,
  );
  await node.restart();
  expect((await foundIn(books)).found).toEqual([]);
});

test('a node that can not be asked is a finding of its own, and the others are looked at', async () => {
  const { books, api, people } = await scene(2);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('de-1', '127.0.0.1:1', '{vless}', '{all}', '{}')`.execute(books.db);
  await api.removeUser('vless', people[0]?.name ?? '');
  const { report, found } = await foundIn(books);
  expect(found).toEqual([
    { id: 'node-was-asked', telegramId: null, rows: { node: ['de-1'] } },
    expect.objectContaining({ id: 'node-has-who-may-connect', telegramId: 1n }),
  ]);
  expect(auditText(report)).toMatch(/node de-1 could not be asked: 127\.0\.0\.1:1: no connection/);
});

test('an audit that is interrupted while it asks nodes says so', async () => {
  const { node, books } = await scene(1);
  const { db, url } = books;
  const stop = new AbortController();
  node.conduct = (): Conduct => {
    stop.abort();
    return 'hang';
  };
  const asked = auditNodes(await audit(db), { db, url, signal: stop.signal });
  await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
});
