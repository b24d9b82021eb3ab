import { expect, test } from 'vitest';
import { readSeed } from '../../support/seed.ts';
import { runSimulation } from './simulation.ts';

// A part of `npm run proof:access`, which runs 20,000 events.

const events = Number(process.env.ACCESS_EVENTS ?? 300);
const isProof = process.env.ACCESS_EVENTS !== undefined;

test(
  'after any events every node equals the database, and no entitled customer is refused meanwhile',
  async () => {
    const seed = readSeed();
    const command = `npm run proof:access -- --events ${events} --seed ${seed}`;
    const printLine = (line: string) => void process.stdout.write(`${line}\n`);
    printLine(`access: ${events} events, seed ${seed}; again: ${command}`);
    const { wrong, counts, ...figures } = await runSimulation({
      events,
      seed,
      ...(isProof ? { printLine } : {}),
    });
    if (isProof) for (const [name, count] of Object.entries(counts)) printLine(`${name}: ${count}`);
    printLine(`access: ${JSON.stringify(figures)}`);
    expect(wrong, `again: ${command}`).toEqual([]);
    expect(figures.judged).toBeGreaterThan(events);
  },
  isProof ? 6 * 3_600_000 : 300_000,
);
