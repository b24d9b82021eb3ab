import { startChild } from './child.ts';
import { buildCrowd, driftAmong } from './crowd.ts';
import type { CrowdReady } from './crowd-run.ts';
import { openPlace } from './place.ts';
import type { ReconcileReport } from './reconcile-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// A node with as many users as the book has credentials, compared with it: by the worker's own code
// (COPY, and the difference in PostgreSQL) and by two Sets in memory, each in a process of its own
// that is given the same answer by the same node. All have to find the same drift. What the node's
// answer alone takes is shown by a process that reads it and does nothing with it.

const variants = { engine: 'engine', sets: 'two Sets in memory', listing: 'the list read alone' };
type How = keyof typeof variants;

async function reconcile({ subscriptions, rounds, server, say }: Options): Promise<Row[]> {
  const users = Math.ceil(subscriptions / 1_000) * 1_000;
  await using place = await openPlace(server);
  await using node = await startChild('crowd');
  const api = await node.told<string>();
  await place.template('book', (client) => buildCrowd(client, users, api));
  const url = await place.copy('book', 'measured');
  const { answerBytes, ...listed } = await node.ask<CrowdReady>(url);
  const answerMb = answerBytes / 2 ** 20;
  say(
    `built ${users} credentials; the node lists ${listed.users} users, ${answerMb.toFixed(1)} MB`,
  );

  const results = new Map<How, ReconcileReport[]>();
  const expected = JSON.stringify(driftAmong(users));
  for (let round = 1; round <= rounds; round += 1) {
    for (const how of Object.keys(variants) as How[]) {
      await using child = await startChild('reconcile', { args: [url, how] });
      const report = await child.told<ReconcileReport>();
      results.set(how, [...(results.get(how) ?? []), report]);
      const { ms, idleMb, peakMb, found } = report;
      say(
        `round ${round}, ${variants[how]}: ${Math.round(ms)} ms, ${Math.round(peakMb - idleMb)} MB more`,
      );
      if (how !== 'listing' && JSON.stringify(found) !== expected) {
        throw new Error(`${variants[how]} found ${JSON.stringify(found)} and not ${expected}`);
      }
    }
  }
  say(`each found ${expected}`);
  const middle = (how: How, pick: (report: ReconcileReport) => number): number =>
    median((results.get(how) ?? []).map(pick));
  return (Object.keys(variants) as How[]).map((how) => ({
    variant: variants[how],
    rate: Math.round((users * 1_000) / middle(how, ({ ms }) => ms)),
    seconds: middle(how, ({ ms }) => ms) / 1_000,
    to_two_sets: middle('sets', ({ ms }) => ms) / middle(how, ({ ms }) => ms),
    cpu_us_per_user: (middle(how, ({ cpuMs }) => cpuMs) * 1_000) / users,
    peak_mb: middle(how, ({ peakMb }) => peakMb),
    over_idle_mb: middle(how, ({ peakMb, idleMb }) => peakMb - idleMb),
    answer_mb: answerMb,
    besides_answer_mb: middle(how, ({ peakMb, idleMb }) => peakMb - idleMb) - answerMb,
  }));
}

export const benchmark: Benchmark = {
  says: 'a node of --subscriptions users compared with the books, against two Sets in memory',
  run: reconcile,
};
