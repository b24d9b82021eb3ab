import { expect, test } from 'vitest';
import { seedInUse } from '../seed.ts';
import { play } from './play.ts';

// A slice of `npm run proof:access`, which plays 20,000 events; that one comes by here too.

const events = Number(process.env.ACCESS_EVENTS ?? 300);
const isProof = process.env.ACCESS_EVENTS !== undefined;

test(
  'whatever happens, every node comes to equal the books, and nobody who may connect is shut out meanwhile',
  async () => {
    const seed = seedInUse();
    const again = `npm run proof:access -- --events ${events} --seed ${seed}`;
    const say = (line: string) => void process.stdout.write(`${line}\n`);
    say(`access: ${events} events, seed ${seed}; again: ${again}`);
    const { wrong, counts, ...figures } = await play({ events, seed, ...(isProof ? { say } : {}) });
    if (isProof) for (const [name, count] of Object.entries(counts)) say(`${name}: ${count}`);
    say(`access: ${JSON.stringify(figures)}`);
    expect(wrong, `again: ${again}`).toEqual([]);
    expect(figures.judged).toBeGreaterThan(events);
  },
  isProof ? 6 * 3_600_000 : 300_000,
);
