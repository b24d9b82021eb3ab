import { afterAll, expect, test } from 'vitest';
import { createRandom, drawBoolean, drawInteger, drawOne } from '../../../src/demo/random.ts';
import { forecastOutcomes } from '../../../src/forecast/forecast.ts';
import type { PlannedOutcome } from '../../../src/forecast/outcomes.ts';
import { dayMs, hourMs, type Instant, later, minuteMs } from '../../../src/kernel/instant.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { readSeed } from '../../support/seed.ts';
import { readOutcomeLines, toForecastLines } from './comparison.ts';
import {
  applyRandomSettings,
  createRandomShop,
  executeRandomCommand,
  type Shop,
  startTime,
} from './history.ts';
import { VirtualWorkers } from './workers.ts';

// Forecasts of random shops, against what the real workers then do in virtual time.
//
// 1. A unit is one shop: a customer with several subscriptions, own plans and dated prices, after a
//    random history of commands and runs.
// 2. Shops share a PostgreSQL database, rules and the time. Nothing else connects them.
// 3. Each round continues the history, makes a forecast, and drives the workers to its end. So a
//    unit counts once per round.

const unitCount = Number(process.env.FORECAST_DATABASES || 240);
const shopsMax = 120;
const rounds = 4;
/** Commands happen at multiples of this time, so ends coincide with runs. */
const gridMs = 5 * minuteMs;

const counts = { units: 0, renewed: 0, short: 0, ends: 0, runs: 0 };

const intervals = [
  { renewalMs: 10 * minuteMs, expiryMs: 5 * minuteMs, remindersMs: 5 * minuteMs },
  { renewalMs: 60 * minuteMs, expiryMs: 5 * minuteMs, remindersMs: 30 * minuteMs },
  { renewalMs: 20 * minuteMs, expiryMs: 10 * minuteMs, remindersMs: 60 * minuteMs },
] as const;

type Random = ReturnType<typeof createRandom>;

/** Random commands of all shops for some days, with the runs between them. */
async function continueHistory(
  database: TestDatabase,
  shops: readonly Shop[],
  workers: VirtualWorkers,
  random: Random,
  start: Instant,
): Promise<Instant> {
  let now = start;
  const steps = 3 + drawInteger(random, 5);
  for (let step = 0; step < steps; step += 1) {
    await database.setClock(now);
    for (const shop of shops) {
      const commandCount = drawInteger(random, 4);
      for (let done = 0; done < commandCount; done += 1)
        await executeRandomCommand(database, shop, random, now);
    }
    const next = later(now, (1 + drawInteger(random, 400)) * gridMs);
    // Sometimes the service is down before the forecast.
    const isDown = step === steps - 1 && drawBoolean(random, 25);
    if (!isDown) counts.runs += await workers.drive(now, next);
    now = next;
  }
  await database.setClock(now);
  return now;
}

async function compareRounds(seed: number, shopCount: number): Promise<void> {
  const random = createRandom(seed);
  const runIntervals = drawOne(random, intervals);
  let now = startTime;
  await using database = await createDatabase({ now });
  await applyRandomSettings(database, random);
  const shops: Shop[] = [];
  for (let id = 1n; id <= BigInt(shopCount); id += 1n)
    shops.push(await createRandomShop(database, id, random));
  await using workers = new VirtualWorkers(database, runIntervals);
  for (let round = 0; round < rounds; round += 1) {
    now = await continueHistory(database, shops, workers, random, now);
    const days = drawOne(random, [1, 2, 3, 3, 5, 8, 12]);
    const until = later(now, days * dayMs);
    const outcomes: PlannedOutcome[] = [];
    const range = await forecastOutcomes(database.db, { days, intervals: runIntervals }, (one) =>
      outcomes.push(one),
    );
    expect(range).toEqual({ from: now, until });
    counts.runs += await workers.drive(now, until);
    const done = await readOutcomeLines(database, now, until);
    expect(toForecastLines(outcomes), `seed ${seed}, round ${round}`).toEqual(done);
    for (const { outcome } of outcomes) counts[outcome] += 1;
    counts.units += shopCount;
    now = later(until, drawInteger(random, 12) * hourMs);
    await database.setClock(now);
  }
}

const databaseCount = Math.ceil(unitCount / (shopsMax * rounds));

test.concurrent.for(Array.from({ length: databaseCount }, (_, index) => index))(
  'G1: a forecast of random shops equals what the workers then do, to the minor unit (database %i)',
  { timeout: 30 * 60_000 },
  async (index) => {
    const left = unitCount - index * shopsMax * rounds;
    const shopCount = Math.min(shopsMax, Math.ceil(left / rounds));
    await compareRounds((readSeed() + index * 1_000_003) % 2 ** 31, shopCount);
  },
);

afterAll(() => {
  const { units, ...rest } = counts;
  const texts = Object.entries(rest).map(([name, count]) => `${count} ${name}`);
  process.stdout.write(`forecast: seed ${readSeed()}, ${units} databases: ${texts.join(', ')}\n`);
});
