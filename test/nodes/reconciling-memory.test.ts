import { fork } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { answerOf, buildCrowd, driftAmong, serveCrowd } from '../../bench/crowd.ts';
import type { ReconcileReport } from '../../bench/reconcile-run.ts';
import { clientConfig, longLimits } from '../../src/db/connect.ts';
import { freshBooks } from '../books.ts';

// The peak of a process that compares, at two sizes, by the very processes of the benchmark
// (`npm run bench -- reconcile`, which does it with a million). What grows with the number of users
// is the node's own answer, which gRPC's client has twice for a moment; the rest must not.

const [few, many] = [20_000, 140_000];
/** What V8 lets lie is not what is needed: with these it can't let much lie. */
const smallHeap = ['--max-old-space-size=64', '--max-semi-space-size=1'];

async function compared(url: string, how: 'engine' | 'sets'): Promise<ReconcileReport> {
  const file = new URL('../../bench/reconcile-run.ts', import.meta.url).pathname;
  const child = fork(file, [url, how], { execArgv: smallHeap });
  const [report] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the process that compares ended with ${code}`);
    }),
  ]);
  return report as ReconcileReport;
}

/** Bytes of the answer, and above it and the idle process, of each way to compare. */
async function measured(users: number) {
  const books = await freshBooks();
  let answer = { bytes: Buffer.alloc(0), users: 0 };
  const node = await serveCrowd(() => answer);
  onTestFinished(async () => {
    node.stop();
    await books.close();
  });
  const client = new pg.Client(clientConfig(books.url, longLimits));
  await client.connect();
  await buildCrowd(client, users, node.api);
  answer = await answerOf(client);
  await client.end();
  const over = async (how: 'engine' | 'sets'): Promise<number> => {
    const { found, peakMb, idleMb } = await compared(books.url, how);
    expect(found).toEqual(driftAmong(users));
    return (peakMb - idleMb) * 2 ** 20 - 2 * answer.bytes.length;
  };
  return { engine: await over('engine'), sets: await over('sets') };
}

test('X7: the memory of a comparison does not grow with the credentials, but by the answer of the node', async () => {
  const [small, large] = [await measured(few), await measured(many)];
  const bytesEach = (how: 'engine' | 'sets'): number => (large[how] - small[how]) / (many - few);
  const grown = { engine: bytesEach('engine'), sets: bytesEach('sets') };
  console.log(`bytes for each more: ${JSON.stringify(grown)}`);
  // A million would take 60 MB more, and in two Sets it takes three times as much.
  expect(grown.engine).toBeLessThan(60);
  expect(grown.sets).toBeGreaterThan(120);
}, 240_000);
