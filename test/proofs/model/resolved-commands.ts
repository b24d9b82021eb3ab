import { day } from '../../support/customer-model.ts';
import type { CustomerRows } from '../../support/customer-rows.ts';
import type { Command, SubscriptionChoice } from './commands.ts';
import type { ModelPosition } from './interleavings.ts';
import type { ProgramAnswer, RowIds } from './program.ts';
import type { Act } from './sequences.ts';

// Conversion of an act of a sequence to a command for an existing customer with existing indexes.

/** A command with its key and time. */
export interface KeyedCommand {
  readonly command: Command;
  readonly key: string;
  readonly ids: RowIds;
  readonly at: number;
}

export interface Participant {
  readonly telegramId: bigint;
  readonly customerId: number;
  position: ModelPosition;
  rows: CustomerRows;
  /** The number of commands. Each has its own key. */
  commandCount: number;
  /** Earlier commands, so that one can be repeated with its key. */
  readonly askedCommands: KeyedCommand[];
}

export interface DoneCommand {
  readonly participant: Participant;
  readonly command: Command;
  readonly key: string;
  readonly answer: ProgramAnswer;
}

/** A command with existing indexes and a new key, or the repetition of an earlier one. */
export function resolveCommand(
  participant: Participant,
  act: Extract<Act, { act: 'command' | 'repeat' }>,
  now: number,
) {
  const { rows } = participant;
  participant.commandCount += 1;
  const key = `${participant.telegramId}-${participant.commandCount}`;
  // A key is kept for 30 days, by clocks that may go back by hours. A later repetition is not
  // tested here.
  const repeatable = participant.askedCommands.filter(({ at }) => now - at < 29 * day);
  if (act.act === 'repeat') {
    const earlier = repeatable[act.nth % Math.max(1, repeatable.length)];
    return earlier ?? createExpireCommand(participant, key, now);
  }
  const { command } = act;
  const ids: RowIds = {
    telegramId: participant.telegramId,
    customerId: participant.customerId,
    subs: rows.subs.map(({ id }) => id),
    periods: rows.periods.map(({ id }) => id),
  };
  const resolvePlace = (choice: SubscriptionChoice): SubscriptionChoice => {
    if (typeof choice !== 'number') return choice;
    return ids.subs.length === 0 ? 'default' : choice % ids.subs.length;
  };
  const payment = (own: string) => `card/${participant.telegramId}.${own}`;
  let placed = command;
  if ('sub' in placed) placed = { ...placed, sub: resolvePlace(placed.sub) } as Command;
  if (placed.do === 'refund') {
    const period = ids.periods.length === 0 ? -1 : placed.period % ids.periods.length;
    placed = { ...placed, period };
  } else if (placed.do === 'top-up' && placed.payment !== undefined) {
    placed = { ...placed, payment: payment(placed.payment) };
  } else if (placed.do === 'purchase' && placed.pay !== undefined) {
    placed = { ...placed, pay: { ...placed.pay, payment: payment(placed.pay.payment) } };
  } else if (placed.do === 'chargeback') {
    const paid = findPayment(participant, Number(placed.payment)) ?? payment(placed.payment);
    placed = { ...placed, payment: paid, dispute: `${participant.telegramId}.${placed.dispute}` };
  }
  // A set-up command has no key.
  const keyed = { command: placed, key, ids, at: now };
  if (placed.do !== 'expire' && placed.do !== 'notify') participant.askedCommands.push(keyed);
  return keyed;
}

/** One of the payments that the customer's ledger names. */
export function findPayment({ rows }: Participant, nth: number): string | undefined {
  const named = [...new Set(rows.ledger.flatMap(({ payment }) => payment ?? []))];
  return named[nth % Math.max(1, named.length)];
}

/**
 * If there is no command to repeat, this one ends what is past its end. Set-up has no key in the
 * program, so each takes effect, and its key here is a new one.
 */
const createExpireCommand = (
  { telegramId, customerId }: Participant,
  key: string,
  at: number,
): KeyedCommand => ({
  command: { do: 'expire' },
  key,
  ids: { telegramId, customerId, subs: [], periods: [] },
  at,
});
