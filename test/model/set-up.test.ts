import { afterAll, beforeAll, expect, test } from 'vitest';
import { day, hour } from './books-of.ts';
import type { Command } from './commands.ts';
import { begin, emptyTally, playStep } from './play.ts';
import type { Act, Step } from './sequences.ts';
import { closeStage, openStage, type Stage } from './stage.ts';

// Set-up commands of the sequences: they do the same in the program and in the model.

const together = (...acts: Act[]): Step => ({ step: 'together', acts });
const does = (command: Command): Step => together({ act: 'command', customer: 0, command });
const again: Act = { act: 'again', customer: 0, nth: 0 };

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => closeStage(stage));

/** Plays a story, and holds the program against the model after each step. */
async function played(story: readonly Step[]) {
  const current = await begin(stage, 1);
  for (const step of story) await playStep(current, step, emptyTally());
  return current.players[0]?.position.customer.subs[0];
}

test('a repeat after 29 days ends what is past its end, each time', async () => {
  const sub = await played([
    does({ do: 'top-up', amount: 14_901 }),
    does({ do: 'purchase', plan: 'basic', days: 30, sub: 'new', autoRenew: false }),
    { step: 'clock', byMs: 29 * day + hour },
    together(again),
    { step: 'clock', byMs: day },
    together(again),
  ]);
  expect(sub?.state).toBe('expired');
});

test('no message states the price of a subscription that was revoked', async () => {
  const sub = await played([
    does({ do: 'top-up', amount: 20_000 }),
    does({ do: 'purchase', plan: 'basic', days: 30, sub: 'new' }),
    { step: 'clock', byMs: hour },
    does({ do: 'refund', period: 0, part: 'unused', keepAutoRenew: false, payout: false }),
    does({ do: 'purchase', plan: 'basic', days: 1, sub: 0 }),
    does({ do: 'revoke', sub: 0, refund: 'whole' }),
    does({ do: 'notify', sub: 0, amount: 701 }),
  ]);
  expect(sub?.state).toBe('revoked');
  expect(sub?.known).toEqual([]);
});
