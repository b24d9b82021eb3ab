import { majorUnits } from '../kernel/money.ts';
import type { Preview } from './worker.ts';

/** The number of items with an outcome, and their amounts by currency in minor units. */
interface OutcomeTotal {
  count: number;
  readonly minor: Map<string, bigint>;
}

/** Totals of a preview by outcome. Memory grows with the number of outcomes only. */
export class PreviewTotals {
  readonly #totals = new Map<string, OutcomeTotal>();

  add(item: Preview): void {
    const total = this.#totals.get(item.outcome) ?? { count: 0, minor: new Map<string, bigint>() };
    total.count += 1;
    if ('currency' in item && item.amountMinor !== 0n) {
      const { currency, amountMinor } = item;
      total.minor.set(currency, (total.minor.get(currency) ?? 0n) + amountMinor);
    }
    this.#totals.set(item.outcome, total);
  }

  /** In the order of the first items. */
  get outcomes(): readonly (readonly [outcome: string, total: Readonly<OutcomeTotal>])[] {
    return [...this.#totals];
  }
}

/** An item as JSON. */
export function toPreviewJson(item: Preview) {
  const { outcome, sentence } = item;
  if ('subject' in item) return { subject: item.subject, outcome, sentence };
  if ('nodeId' in item) return { node_id: item.nodeId, outcome, sentence };
  if ('noticeId' in item) {
    const { noticeId, telegramId, kind } = item;
    return { notice_id: noticeId, telegram_id: telegramId, kind, outcome, sentence };
  }
  return {
    telegram_id: item.telegramId,
    subscription_id: item.subscriptionId,
    outcome,
    amount: majorUnits(item.amountMinor, item.currency),
    currency: item.currency,
    sentence,
  };
}
