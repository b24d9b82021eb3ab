import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SendRateLimiter } from './rate-limiter.ts';

/** Sends to these recipients as early as possible, with timers that are `lateMs` late. */
function sendAll(
  settings: ConstructorParameters<typeof SendRateLimiter>[0],
  recipients: readonly string[],
  lateMs: (n: number) => number,
): { atMs: number; to: string }[] {
  let nowMs = 0;
  const rateLimiter = new SendRateLimiter(settings, nowMs);
  return recipients.map((to, n) => {
    const waitMs = Math.max(rateLimiter.waitMs(nowMs), rateLimiter.recipientWaitMs(to, nowMs));
    if (waitMs > 0) nowMs += waitMs + lateMs(n);
    rateLimiter.recordSend(to, nowMs);
    return { atMs: nowMs, to };
  });
}

test('no second exceeds the pace and its catch-up, and no recipient gets two sends within the gap', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 5 }),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 200 }),
      fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 20 }),
      (perSecond, catchUp, names, late) => {
        const sent = sendAll(
          { perSecond, gapMs: 1_000, catchUp },
          names.map(String),
          (n) => late[n % late.length] ?? 0,
        );
        for (const { atMs, to } of sent) {
          const second = sent.filter((each) => each.atMs >= atMs && each.atMs < atMs + 1_000);
          expect(second.length).toBeLessThanOrEqual(perSecond + catchUp);
          expect(second.filter((each) => each.to === to)).toHaveLength(1);
        }
      },
    ),
  );
});

test('timers that are late by up to two intervals do not reduce the pace', () => {
  const to = Array.from({ length: 400 }, (_, n) => String(n));
  const sent = sendAll({ perSecond: 20, gapMs: 0, catchUp: 2 }, to, (n) => (n * 37) % 90);
  expect(sent.at(-1)?.atMs).toBeLessThan(400 * 50 + 200);
});

test('no send happens within the first gap, because an earlier courier may have sent', () => {
  expect(new SendRateLimiter({ perSecond: 20, gapMs: 1_000, catchUp: 2 }, 500).waitMs(500)).toBe(
    1_000,
  );
  expect(new SendRateLimiter({ perSecond: 20, gapMs: 0, catchUp: 2 }, 500).waitMs(500)).toBe(0);
});

test('recipients whose gap is over are forgotten', () => {
  const rateLimiter = new SendRateLimiter({ perSecond: 1_000, gapMs: 1_000, catchUp: 2 }, 0);
  for (let n = 0; n < 10; n += 1) rateLimiter.recordSend(String(n), n * 10);
  expect(rateLimiter.recipientWaitMs('9', 100)).toBe(990);
  rateLimiter.recordSend('x', 1_050);
  expect(rateLimiter.recipientWaitMs('0', 1_050)).toBe(0);
  expect(rateLimiter.recipientWaitMs('9', 1_050)).toBe(40);
});
