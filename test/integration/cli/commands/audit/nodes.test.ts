import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { runAudit } from '../../../../../src/audit/audit.ts';
import { auditNodes } from '../../../../../src/cli/commands/audit/nodes.ts';
import { formatAuditHtml } from '../../../../../src/cli/output/audit-html.ts';
import { formatAuditMarkdown, formatAuditText } from '../../../../../src/cli/output/audit-text.ts';
import type { CredentialId } from '../../../../../src/kernel/ids.ts';
import { revoke } from '../../../../../src/subscription/commands/revoke.ts';
import type { CallBehavior } from '../../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../../src/xray/grpc/client.ts';
import { formatUserName } from '../../../../../src/xray/user-names.ts';
import { deleteMarks, readCredential } from '../../../../support/comparison.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import { expectFault } from '../../../../support/faults.ts';
import { createShopWithNodes, startNode } from '../../../../support/nodes.ts';
import { createCaller, createSubscriber } from '../../../../support/shop.ts';

// `audit --nodes` on a node with a planted violation of each kind.

async function createAuditedNode(customers: number) {
  const node = await startNode();
  const database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const api = connectNode({ api: node.api });
  onTestFinished(async () => {
    api.close();
    node.stop();
    await database.close();
  });
  const people = [];
  for (let telegramId = 1n; telegramId <= BigInt(customers); telegramId += 1n) {
    const subscriptionId = await createSubscriber(database, telegramId, 0n);
    const id = await readCredential(database, subscriptionId);
    const name = formatUserName('perennial', id);
    await api.addUser('vless', { name, id, flow: '' });
    people.push({ telegramId, subscriptionId, id, name });
  }
  await deleteMarks(database);
  return { node, database, api, people };
}

async function auditNodesOnce({ db, url }: TestDatabase) {
  const { signal } = new AbortController();
  return auditNodes(await runAudit(db), { db, url, signal });
}

async function readFindings(database: TestDatabase) {
  const report = await auditNodesOnce(database);
  const broken = report.checks.filter(({ violations }) => violations > 0n);
  const findings = broken.flatMap(({ id, sample }) =>
    sample.map(({ telegramId, rows }) => ({ id, telegramId, rows })),
  );
  return { report, found: findings };
}

test('nodes that equal the database are ok, and the report names the compared counts', async () => {
  const { database } = await createAuditedNode(3);
  const { report, found } = await readFindings(database);
  expect(found).toEqual([]);
  expect(report).toMatchObject({ ok: true, rowCounts: { node: 1n, node_user: 3n } });
  expect(formatAuditText(report)).toMatch(/The database is ok, and the nodes are equal to it: all/);
  expect(formatAuditText(report)).toMatch(/1 node, 3 node users/);
});

test('a user who is missing, different, unwanted, unknown, or shares a UUID is reported; nothing is written', async () => {
  const { database, api, people } = await createAuditedNode(5);
  const [missing, different, unwanted, shared] = people as [P, P, P, P, P];
  type P = (typeof people)[0];
  await api.removeUser('vless', missing.name);
  await api.removeUser('vless', different.name);
  const another = randomUUID() as CredentialId;
  await api.addUser('vless', { name: different.name, id: another, flow: '' });
  await revoke(createCaller(database), { telegramId: unwanted.telegramId, reason: 'test' });
  await deleteMarks(database);
  await api.addUser('vless', { name: 'panel-7', id: shared.id, flow: '' });
  const stray = randomUUID() as CredentialId;
  await api.addUser('vless', { name: formatUserName('perennial', stray), id: stray, flow: '' });

  const { report, found } = await readFindings(database);
  const at = (person: P) => ({
    telegramId: person.telegramId,
    rows: { node: ['nl-1'], subscription: [person.subscriptionId] },
  });
  const hasId = (id: string) => (one: { id: string }) => one.id === id;
  expect(found).toHaveLength(5);
  expect(found.filter(hasId('node-has-who-may-connect'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining(at(missing)),
      expect.objectContaining(at(different)),
    ]),
  );
  expect(found.filter(hasId('node-shares-no-uuid'))).toMatchObject([at(shared)]);
  expect(found.filter(hasId('node-has-nobody-else'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining(at(unwanted)),
      expect.objectContaining({ telegramId: null, rows: { node: ['nl-1'] } }),
    ]),
  );
  expect(report.ok).toBe(false);
  for (const print of [formatAuditText, formatAuditMarkdown, formatAuditHtml]) {
    expect(print(report)).toMatch(/The nodes differ from the database: 5 violations of 3 checks/);
  }
  const rows = await database.query`
    SELECT FROM perennial.access_sync UNION ALL SELECT FROM perennial.stray`;
  expect(rows).toEqual([]);
});

test('the audit does not report users that have a mark', async () => {
  const { database, api, people } = await createAuditedNode(2);
  await api.removeUser('vless', people[0]?.name ?? '');
  await database.query`
    INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
    VALUES ('nl-1', ${people[0]?.id}, perennial.clock(), perennial.clock())`;
  expect((await readFindings(database)).found).toEqual([]);
});

test('the audit does not report a user added during the audit: each difference is verified by a second read', async () => {
  const { node, database, api, people } = await createAuditedNode(2);
  const [late, missing] = people as [(typeof people)[0], (typeof people)[0]];
  for (const { name } of [late, missing]) await api.removeUser('vless', name);
  let lists = 0;
  node.conduct = async ({ method }): Promise<CallBehavior> => {
    if (method !== 'GetInboundUsers') return 'serve';
    lists += 1;
    if (lists === 2) await api.addUser('vless', { name: late.name, id: late.id, flow: '' });
    return 'serve';
  };
  const { found } = await readFindings(database);
  expect(lists).toBe(2);
  expect(found).toMatchObject([{ id: 'node-has-who-may-connect', telegramId: missing.telegramId }]);
});

test('while a node is seeded after a start, the audit does not report missing users', async () => {
  const { node, database } = await createAuditedNode(2);
  await database.query`UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = NULL`;
  await node.restart();
  expect((await readFindings(database)).found).toEqual([]);
});

test('an unreachable node is a separate violation, and the other nodes are compared', async () => {
  const { database, api, people } = await createAuditedNode(2);
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('de-1', '127.0.0.1:1', '{vless}', '{all}', '{}')`;
  await api.removeUser('vless', people[0]?.name ?? '');
  const { report, found } = await readFindings(database);
  expect(found).toEqual([
    { id: 'node-was-asked', telegramId: null, rows: { node: ['de-1'] } },
    expect.objectContaining({ id: 'node-has-who-may-connect', telegramId: 1n }),
  ]);
  expect(formatAuditText(report)).toMatch(
    /node de-1 could not be compared: 127\.0\.0\.1:1: no connection/,
  );
});

test('an audit that is interrupted while it reads nodes fails with `interrupted`', async () => {
  const { node, database } = await createAuditedNode(1);
  const { db, url } = database;
  const stop = new AbortController();
  node.conduct = (): CallBehavior => {
    stop.abort();
    return 'hang';
  };
  const asked = auditNodes(await runAudit(db), { db, url, signal: stop.signal });
  await expectFault(asked, 'interrupted');
});
