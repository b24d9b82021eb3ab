import { settingsOf } from '../config.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import type { Worker } from '../workers/index.ts';
import type { Preview } from '../workers/worker.ts';
import { jsonText, type OpenedBooks } from './frame.ts';

/** How many had this outcome, and the sum of what it is about, by currency, in minor units. */
interface Total {
  count: number;
  readonly minor: Map<string, bigint>;
}

/**
 * Prints what a run would do: a line a subscription, as they are found (a book of a million stays
 * out of memory), then the totals. In JSON: `{"items": […], "totals": {…}}`.
 */
export async function previewTo(
  out: NodeJS.WritableStream,
  worker: Worker,
  { db, url, config }: OpenedBooks,
  signal: AbortSignal,
  json: boolean,
): Promise<void> {
  const totals = new Map<string, Total>();
  let printed = 0;
  const report = (item: Preview): void => {
    add(totals, item);
    if (json) out.write(`${printed === 0 ? '' : ','}\n${compact(itemJson(item))}`);
    else out.write(`${itemText(item)}\n`);
    printed += 1;
  };
  if (json) out.write('{"items": [');
  const { batchMax } = settingsOf(config, worker);
  await worker.preview({ db, url, batchMax, signal }, report);
  if (json) out.write(`\n],\n"totals": ${compact(totalsJson(totals))}}\n`);
  else out.write(totalsText(totals));
}

function add(totals: Map<string, Total>, item: Preview): void {
  const total = totals.get(item.outcome) ?? { count: 0, minor: new Map<string, bigint>() };
  total.count += 1;
  if ('currency' in item && item.amountMinor !== 0n) {
    const { currency, amountMinor } = item;
    total.minor.set(currency, (total.minor.get(currency) ?? 0n) + amountMinor);
  }
  totals.set(item.outcome, total);
}

const compact = (value: unknown): string => jsonText(value).replaceAll(/\n\s*/g, ' ');

function itemJson(item: Preview): object {
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

/** Columns of a fixed width: the longest id is not known while they come. */
function itemText(item: Preview): string {
  if ('subject' in item) {
    return `${item.subject.padEnd(20)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  if ('nodeId' in item) {
    return `${item.nodeId.padEnd(12)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  if ('noticeId' in item) {
    const whom = (item.telegramId ?? 'admins').toString();
    return `${whom.padEnd(12)}  ${item.kind.padEnd(16)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  const [customer, subscription] = [item.telegramId.toString(), item.subscriptionId.toString()];
  return `${customer.padEnd(12)}  ${subscription.padEnd(10)}  ${item.outcome.padEnd(14)}  ${item.sentence}`;
}

function totalsJson(totals: ReadonlyMap<string, Total>) {
  return Object.fromEntries(
    [...totals].map(([outcome, { count, minor }]) => [
      outcome,
      {
        count,
        amounts: Object.fromEntries([...minor].map(([code, sum]) => [code, majorUnits(sum, code)])),
      },
    ]),
  );
}

function totalsText(totals: ReadonlyMap<string, Total>): string {
  if (totals.size === 0) return 'nothing to do\n';
  const lines = [...totals].map(([outcome, { count, minor }]) => {
    const sums = [...minor].map(([code, sum]) => moneyText(sum, code)).join(', ');
    return `${outcome}: ${count}${sums === '' ? '' : ` (${sums})`}`;
  });
  return `\n${lines.join('\n')}\n`;
}
