import { afterAll, beforeAll, expect, test } from 'vitest';
import { day, hour } from './books-of.ts';
import type { Command } from './commands.ts';
import { begin, emptyTally, playStep } from './play.ts';
import type { Act, Step } from './sequences.ts';
import { closeStage, openStage, type Stage } from './stage.ts';

// The keys of commands in a sequence: the same command again has its key, and set-up has none.

const together = (...acts: Act[]): Step => ({ step: 'together', acts });
const does = (command: Command): Step => together({ act: 'command', customer: 0, command });
const again: Act = { act: 'again', customer: 0, nth: 0 };

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
}, 60_000);
afterAll(() => closeStage(stage));

test('a repeat after 29 days ends what is past its end, each time', async () => {
  const current = await begin(stage, 1);
  const story = [
    does({ do: 'top-up', amount: 14_901 }),
    does({ do: 'purchase', plan: 'basic', days: 30, sub: 'new', autoRenew: false }),
    { step: 'clock', byMs: 29 * day + hour } as const,
    together(again),
    { step: 'clock', byMs: day } as const,
    together(again),
  ];
  for (const step of story) await playStep(current, step, emptyTally());
  expect(current.players[0]?.position.customer.subs[0]?.state).toBe('expired');
});
