import { afterAll, beforeAll, expect, test } from 'vitest';
import { day, hour } from '../../support/customer-model.ts';
import type { Command } from './commands.ts';
import { createCounts, runStep, startSequence } from './sequence-run.ts';
import type { Act, Step } from './sequences.ts';
import { closeStage, createStage, type Stage } from './stage.ts';

// Set-up commands of the sequences: they do the same in the program and in the model.

const createGroupStep = (...acts: Act[]): Step => ({ step: 'group', acts });
const createCommandStep = (command: Command): Step =>
  createGroupStep({ act: 'command', customer: 0, command });
const repeatFirst: Act = { act: 'repeat', customer: 0, nth: 0 };

let stage: Stage;

beforeAll(async () => {
  stage = await createStage();
}, 60_000);
afterAll(() => closeStage(stage));

/** Plays a story, and holds the program against the model after each step. */
async function runStory(story: readonly Step[]) {
  const current = await startSequence(stage, 1);
  for (const step of story) await runStep(current, step, createCounts());
  return current.participants[0]?.position.customer.subs[0];
}

test('a repeat after 29 days ends what is past its end, each time', async () => {
  const sub = await runStory([
    createCommandStep({ do: 'top-up', amount: 14_901 }),
    createCommandStep({ do: 'purchase', plan: 'basic', days: 30, sub: 'new', autoRenew: false }),
    { step: 'clock', byMs: 29 * day + hour },
    createGroupStep(repeatFirst),
    { step: 'clock', byMs: day },
    createGroupStep(repeatFirst),
  ]);
  expect(sub?.state).toBe('expired');
});

test('no message states the price of a subscription that was revoked', async () => {
  const sub = await runStory([
    createCommandStep({ do: 'top-up', amount: 20_000 }),
    createCommandStep({ do: 'purchase', plan: 'basic', days: 30, sub: 'new' }),
    { step: 'clock', byMs: hour },
    createCommandStep({
      do: 'refund',
      period: 0,
      part: 'unused',
      keepAutoRenew: false,
      payout: false,
    }),
    createCommandStep({ do: 'purchase', plan: 'basic', days: 1, sub: 0 }),
    createCommandStep({ do: 'revoke', sub: 0, refund: 'whole' }),
    createCommandStep({ do: 'notify', sub: 0, amount: 701 }),
  ]);
  expect(sub?.state).toBe('revoked');
  expect(sub?.known).toEqual([]);
});
