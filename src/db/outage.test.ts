import { expect, test, vi } from 'vitest';
import { openOutageWatch } from './outage.ts';

function stage(repeatMs: number) {
  const lines: string[] = [];
  const write = (_: object, message: string) => void lines.push(message);
  const answers: { resolve(): void; reject(error: Error): void }[] = [];
  const outage = openOutageWatch({
    log: { info: write, warn: write, error: write },
    database: 'db/shop',
    probe: () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      answers.push({ resolve, reject });
      return promise;
    },
    probeEveryMs: 0,
    repeatMs,
  });
  const report = (code: string) =>
    outage.capture({ code }, 'schedule', () => lines.push(`schedule: ${code}`));
  /** Ends the next probe of a new connection. */
  const answer = async (is: 'works' | 'fails') => {
    await vi.waitFor(() => expect(answers).not.toEqual([]));
    const next = answers.shift();
    if (is === 'works') next?.resolve();
    else next?.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    await new Promise(setImmediate);
  };
  return { lines, report, answer, outage };
}

const [down, still, back] = [
  'PostgreSQL unreachable; work waits until it is back',
  'PostgreSQL is still unreachable',
  'PostgreSQL is reachable again',
];

test('an outage is one line for all loops, and one line at its end', async () => {
  const { lines, report, answer } = stage(60_000);
  for (const code of ['connection_lost', 'econnrefused', 'pg_57P03'])
    expect(report(code)).toBe(true);
  await answer('fails');
  for (let n = 0; n < 100; n += 1) report('econnrefused');
  await answer('fails');
  await answer('works');
  report('connection_lost');
  expect(lines).toEqual([down, back]);
});

test('an outage that lasts is repeated at its interval', async () => {
  const { lines, report, answer } = stage(0);
  report('econnrefused');
  await answer('fails');
  await answer('fails');
  await answer('works');
  expect(lines).toEqual([down, still, back]);
});

test('a lost connection is logged by itself if a new connection works', async () => {
  const { lines, report, answer } = stage(0);
  report('connection_lost');
  await answer('works');
  expect(lines).toEqual(['schedule: connection_lost']);
});

test('a fault of another kind is not captured', () => {
  const { report, outage } = stage(0);
  expect(report('pg_42703')).toBe(false);
  expect(report('unreachable')).toBe(false);
  outage.stop();
  expect(report('econnrefused')).toBe(false);
});
