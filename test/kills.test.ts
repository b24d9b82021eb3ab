import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { freshBooks } from './books.ts';
import { killAndLook, spread } from './kills/kills.ts';

// A slice of `npm run proof:kills`, which does 50 kills over 20,000 renewals.

test('P8: replicas killed at random lose nothing, and each period is paid exactly once', async () => {
  const seed = randomInt(2 ** 31);
  await using books = await freshBooks();
  const report = await killAndLook({ url: books.url, kills: 3, renewals: 600, seed });
  const took = spread(report.takeovers.map(({ ms }) => ms));
  console.log(`kills: seed ${seed}, takeover [s]: ${took}`);
  expect(report, `seed ${seed}`).toMatchObject({ renewals: 600, wrong: [] });
}, 120_000);
