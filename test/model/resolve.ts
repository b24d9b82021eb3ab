import type { Answered, Ids } from './ask.ts';
import { day } from './books-of.ts';
import type { Command, Which } from './commands.ts';
import type { Position } from './orders.ts';
import type { CustomerRows } from './read-books.ts';
import type { Act } from './sequences.ts';

// From an act of a sequence to a command for a customer who is there, with places that are there.

/** A command as it was asked for, and when. */
export interface Keyed {
  readonly command: Command;
  readonly key: string;
  readonly ids: Ids;
  readonly at: number;
}

export interface Player {
  readonly telegramId: bigint;
  readonly customerId: number;
  position: Position;
  rows: CustomerRows;
  /** How many commands there were: each has a key of its own. */
  turn: number;
  /** What was asked so far, so that it can be asked again under the same key. */
  readonly asked: Keyed[];
}

export interface Done {
  readonly player: Player;
  readonly command: Command;
  readonly key: string;
  readonly answered: Answered;
}

/** A command with places that are there, under a key of its own; or an earlier one once more. */
export function resolve(
  player: Player,
  act: Extract<Act, { act: 'command' | 'again' }>,
  now: number,
) {
  const { rows } = player;
  player.turn += 1;
  const key = `${player.telegramId}-${player.turn}`;
  // A key is kept for 30 days, by clocks that may go back by hours; of asking again later than
  // that nothing is said here.
  const asked = player.asked.filter(({ at }) => now - at < 29 * day);
  if (act.act === 'again') {
    const earlier = asked[act.nth % Math.max(1, asked.length)];
    return earlier ?? nothing(player, key, now);
  }
  const { command } = act;
  const ids: Ids = {
    telegramId: player.telegramId,
    customerId: player.customerId,
    subs: rows.subs.map(({ id }) => id),
    periods: rows.periods.map(({ id }) => id),
  };
  const there = (which: Which): Which => {
    if (typeof which !== 'number') return which;
    return ids.subs.length === 0 ? 'meant' : which % ids.subs.length;
  };
  const payment = (own: string) => `card/${player.telegramId}.${own}`;
  let placed = command;
  if ('sub' in placed) placed = { ...placed, sub: there(placed.sub) } as Command;
  if (placed.do === 'refund') {
    const period = ids.periods.length === 0 ? -1 : placed.period % ids.periods.length;
    placed = { ...placed, period };
  } else if (placed.do === 'top-up' && placed.payment !== undefined) {
    placed = { ...placed, payment: payment(placed.payment) };
  } else if (placed.do === 'purchase' && placed.pay !== undefined) {
    placed = { ...placed, pay: { ...placed.pay, payment: payment(placed.pay.payment) } };
  } else if (placed.do === 'chargeback') {
    const paid = paymentOf(player, Number(placed.payment)) ?? payment(placed.payment);
    placed = { ...placed, payment: paid, dispute: `${player.telegramId}.${placed.dispute}` };
  }
  // What is only set-up here has no key.
  const keyed = { command: placed, key, ids, at: now };
  if (placed.do !== 'expire' && placed.do !== 'notify') player.asked.push(keyed);
  return keyed;
}

/** One of the payments that the customer's ledger names. */
export function paymentOf({ rows }: Player, nth: number): string | undefined {
  const named = [...new Set(rows.ledger.flatMap(({ payment }) => payment ?? []))];
  return named[nth % Math.max(1, named.length)];
}

/**
 * If there is no command to repeat, this one ends what is past its end. Set-up has no key in the
 * program, so each takes effect, and its key here is a new one.
 */
const nothing = ({ telegramId, customerId }: Player, key: string, at: number): Keyed => ({
  command: { do: 'expire' },
  key,
  ids: { telegramId, customerId, subs: [], periods: [] },
  at,
});
