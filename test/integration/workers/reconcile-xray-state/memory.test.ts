import { fork } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { longLimits, toClientConfig } from '../../../../src/db/connect.ts';
import {
  buildAnswer,
  buildCredentials,
  computeDrift,
  type ListAnswer,
  serveDriftedNode,
} from '../../../../testbed/drifted-node.ts';
import type { ReconcileReport } from '../../../../testbed/reconcile-process.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';

// The memory of a comparison. The program keeps a list in the heap, and the answer of the node
// outside of it.
//
// The heap has about 10 MB left when everything is loaded. A program that stores something for each
// user does not fit. The processes are those of the benchmark (`npm run bench -- reconcile`), which
// compares a million users and prints the memory of the whole process.

const users = 150_000;
const heapMb = 32;

async function createMemoryDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  let answer: ListAnswer = { bytes: Buffer.alloc(0), users: 0 };
  const node = await serveDriftedNode(() => answer);
  onTestFinished(async () => {
    node.stop();
    await database.close();
  });
  const client = new pg.Client(toClientConfig(database.url, longLimits));
  await client.connect();
  await buildCredentials(client, users, node.api);
  answer = await buildAnswer(client);
  await client.end();
  return database;
}

/** The result of the process, or nothing if its heap overflowed. */
async function compareInProcess(
  how: 'engine' | 'sets',
  url: string,
): Promise<ReconcileReport['found']> {
  const file = new URL('../../../../testbed/reconcile-process.ts', import.meta.url).pathname;
  const execArgv = [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=1'];
  const child = fork(file, [url, how], { execArgv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  let report: ReconcileReport | undefined;
  child.on('message', (message) => {
    report = message as ReconcileReport;
  });
  await once(child, 'exit');
  return report?.found;
}

test('X7: 150,000 credentials are compared in a heap that is too small for two Sets of them', async () => {
  const { url } = await createMemoryDatabase();
  expect(await compareInProcess('engine', url)).toEqual(computeDrift(users));
  expect(await compareInProcess('sets', url)).toBeUndefined();
}, 180_000);
