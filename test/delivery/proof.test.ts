import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { freshBooks } from '../books.ts';
import { prove } from './proving.ts';
import { insideOf } from './waits.ts';

// A slice of `npm run proof:delivery`, which does 20 kills over 10,000 notices.

test('P8, T2: through random faults and kills of the courier what must arrive arrives, and no reminder twice', async () => {
  const seed = randomInt(2 ** 31);
  await using books = await freshBooks();
  const report = await prove({ url: books.url, notices: 300, kills: 3, seed });
  console.log(`delivery: seed ${seed}, ${JSON.stringify(report)}`);
  expect(report, `seed ${seed}`).toMatchObject({ wrong: [], sure: { arrived: 150 } });
}, 180_000);

test('the proof sees what came in a wait, how much and how late', () => {
  const log = [99, 100, 101, 180, 200, 250].map((atMs) => ({ atMs }));
  const waits = [
    { fromMs: 100, untilMs: 200 },
    { fromMs: 300, untilMs: 400 },
  ];
  expect(insideOf(log, waits)).toEqual({ most: 2, latestMs: 80 });
  expect(insideOf([], waits)).toEqual({ most: 0, latestMs: 0 });
});
