import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { seedInUse } from '../seed.ts';
import { emptyTally, play } from './play.ts';
import { sequences } from './sequences.ts';
import { closeStage, openStage } from './stage.ts';

// Random sequences of everything that can happen to the books, on the real program and a real
// PostgreSQL, against the pure model of this folder. Two at a time, so that the machine's second
// core has something to do; a database serves many sequences, and is left before it grows slow.
// `npm run proof:model` plays more of them.

const count = Number(process.env.MODEL_SEQUENCES || 1_000);
/** The suite has to play all of them; a proof as many as fit into its time. */
const isProof = process.env.MODEL_MINUTES !== undefined;
const limitMs = Number(process.env.MODEL_MINUTES || 8) * 60_000;
const lanes = [0, 1];
const perStage = 250;
/** For the smaller sequences that are tried once one has failed. */
const shrinkMs = 60_000;

const tally = emptyTally();

async function playMany(seed: number, numRuns: number, timeMs: number): Promise<void> {
  const stage = await openStage();
  try {
    await fc.assert(
      fc.asyncProperty(sequences, (sequence) => play(stage, sequence, tally)),
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
  "R5 R11 R14 R16 R17 B2 B3 B4 N1 C1 C2 C3 C5 C6: whatever is done, in whatever order and at once, the books are the model's (lane %i)",
  { timeout: limitMs + shrinkMs },
  async (lane) => {
    const began = performance.now();
    const own = Math.ceil(count / lanes.length);
    for (let played = 0; played < own; played += perStage) {
      const leftMs = limitMs - (performance.now() - began);
      if (leftMs <= 0) return;
      const seed = (seedInUse() + lane * 1_000_003 + played * 7) % 2 ** 31;
      await playMany(seed, Math.min(perStage, own - played), leftMs);
    }
  },
);

afterAll(() => {
  const { sequences: played, ...rest } = tally;
  const counts = Object.entries(rest).map(([name, number]) => `${number} ${name}`);
  process.stdout.write(`model: seed ${seedInUse()}, ${played} sequences: ${counts.join(', ')}\n`);
});

test('the model is its own statement of the rules: it imports nothing of the program', () => {
  const folder = new URL('./', import.meta.url);
  // What plays the sequences on the program knows it, and nothing else does.
  const players = /^(ask|judge|play|proof|read-books|stage|.*\.test)\.ts$/;
  for (const name of readdirSync(folder).filter((file) => !players.test(file))) {
    expect(readFileSync(new URL(name, folder), 'utf8'), name).not.toContain('/src/');
  }
});
