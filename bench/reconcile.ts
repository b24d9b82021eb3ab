import { buildCredentials, computeDrift } from '../testbed/drifted-node.ts';
import type { ReconcileReport } from '../testbed/reconcile-process.ts';
import { startChild } from './child.ts';
import { openBenchDatabases } from './databases.ts';
import type { NodeReady } from './drifted-node-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// A comparison of a node with as many users as the database has credentials. One variant is the
// code of the worker (COPY, and the difference in PostgreSQL). The other is two Sets in memory.
// Each runs in a separate process with the same answer of the same node, and both must find the
// same drift. A third process only reads the answer, to show its cost.

const variants = { engine: 'engine', sets: 'two Sets in memory', listing: 'the list read alone' };
type Method = keyof typeof variants;
const file = new URL('../testbed/reconcile-process.ts', import.meta.url);

async function reconcile({ subscriptions, rounds, server, log }: Options): Promise<Row[]> {
  const users = Math.ceil(subscriptions / 1_000) * 1_000;
  await using databases = await openBenchDatabases(server);
  await using node = await startChild('drifted-node');
  const api = await node.receive<string>();
  await databases.template('dataset', (client) => buildCredentials(client, users, api));
  const url = await databases.copy('dataset', 'measured');
  const { answerBytes, ...listed } = await node.request<NodeReady>(url);
  const answerMb = answerBytes / 2 ** 20;
  log(
    `built ${users} credentials; the node lists ${listed.users} users, ${answerMb.toFixed(1)} MB`,
  );

  const results = new Map<Method, ReconcileReport[]>();
  const expected = JSON.stringify(computeDrift(users));
  for (let round = 1; round <= rounds; round += 1) {
    for (const method of Object.keys(variants) as Method[]) {
      await using child = await startChild('reconcile', { args: [url, method], file });
      const report = await child.receive<ReconcileReport>();
      results.set(method, [...(results.get(method) ?? []), report]);
      const { ms, idleMb, peakMb, found } = report;
      log(
        `round ${round}, ${variants[method]}: ${Math.round(ms)} ms, ${Math.round(peakMb - idleMb)} MB more`,
      );
      if (method !== 'listing' && JSON.stringify(found) !== expected) {
        throw new Error(
          `${variants[method]} found ${JSON.stringify(found)} instead of ${expected}`,
        );
      }
    }
  }
  log(`each found ${expected}`);
  const middle = (method: Method, pick: (report: ReconcileReport) => number): number =>
    median((results.get(method) ?? []).map(pick));
  return (Object.keys(variants) as Method[]).map((method) => ({
    variant: variants[method],
    rate: Math.round((users * 1_000) / middle(method, ({ ms }) => ms)),
    seconds: middle(method, ({ ms }) => ms) / 1_000,
    to_two_sets: middle('sets', ({ ms }) => ms) / middle(method, ({ ms }) => ms),
    cpu_us_per_user: (middle(method, ({ cpuMs }) => cpuMs) * 1_000) / users,
    peak_mb: middle(method, ({ peakMb }) => peakMb),
    over_idle_mb: middle(method, ({ peakMb, idleMb }) => peakMb - idleMb),
    answer_mb: answerMb,
    besides_answer_mb: middle(method, ({ peakMb, idleMb }) => peakMb - idleMb) - answerMb,
  }));
}

export const benchmark: Benchmark = {
  description:
    'a node of --subscriptions users compared with the database, against two Sets in memory',
  run: reconcile,
};
