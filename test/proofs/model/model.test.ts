import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readSeed } from '../../support/seed.ts';
import { createCounts, runSequence } from './sequence-run.ts';
import { sequences } from './sequences.ts';
import { closeStage, createStage } from './stage.ts';

// Random sequences of all possible events, on the real program and a real PostgreSQL, against the
// pure model of this folder. Two lanes use both cores. A database serves many sequences, and is
// replaced before it becomes slow. `npm run proof:model` runs more of them.

const count = Number(process.env.MODEL_SEQUENCES || 1_000);
/** The suite must run all sequences. A proof runs as many as its time allows. */
const isProof = process.env.MODEL_MINUTES !== undefined;
const limitMs = Number(process.env.MODEL_MINUTES || 8) * 60_000;
const lanes = [0, 1];
const perStage = 250;
/** The time for smaller sequences after a failure. */
const shrinkMs = 60_000;

const sequenceCounts = createCounts();

async function runSequences(seed: number, numRuns: number, timeMs: number): Promise<void> {
  const stage = await createStage();
  try {
    await fc.assert(
      fc.asyncProperty(sequences, (sequence) => runSequence(stage, sequence, sequenceCounts)),
      {
        seed,
        numRuns,
        verbose: fc.VerbosityLevel.None,
        interruptAfterTimeLimit: timeMs,
        markInterruptAsFailure: !isProof,
      },
    );
  } finally {
    await closeStage(stage);
  }
}

test.concurrent.for(lanes)(
  'R5 R11 R14 R16 R17 B2 B3 B4 N1 C1 C2 C3 C5 C6 D1: after any commands, in any order and at once, the database equals the model (lane %i)',
  { timeout: limitMs + shrinkMs },
  async (lane) => {
    const began = performance.now();
    const laneCount = Math.ceil(count / lanes.length);
    for (let runCount = 0; runCount < laneCount; runCount += perStage) {
      const leftMs = limitMs - (performance.now() - began);
      if (leftMs <= 0) return;
      const seed = (readSeed() + lane * 1_000_003 + runCount * 7) % 2 ** 31;
      await runSequences(seed, Math.min(perStage, laneCount - runCount), leftMs);
    }
  },
);

afterAll(() => {
  const { sequences: runCount, ...rest } = sequenceCounts;
  const counts = Object.entries(rest).map(([name, number]) => `${number} ${name}`);
  process.stdout.write(`model: seed ${readSeed()}, ${runCount} sequences: ${counts.join(', ')}\n`);
});

test('the model states the rules independently and imports nothing of the program', () => {
  const folder = new URL('./', import.meta.url);
  // Only the files that play sequences on the program import it.
  const impure = /^(?:program|comparison|sequence-run|main|stage|.*\.test)\.ts$/;
  const pure = readdirSync(folder).filter((file) => !impure.test(file));
  const shared = '../../support/customer-model.ts';
  for (const name of [...pure, shared]) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const outside = text
      .replaceAll(/^import type .*customer-rows\.ts';$/gm, '')
      .matchAll(/'(\.\.\/[^']*)'/g);
    expect(
      [...outside].map(([, path]) => path).filter((path) => path !== shared),
      name,
    ).toEqual([]);
  }
});
