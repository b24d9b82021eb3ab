import { toWorkerSettings } from '../../../config/settings.ts';
import { majorUnits, moneyText } from '../../../kernel/money.ts';
import { PreviewTotals, toPreviewJson } from '../../../runs/preview-totals.ts';
import type { Preview } from '../../../runs/worker.ts';
import type { Worker } from '../../../workers/index.ts';
import { type CommandDatabase, formatCompactJson } from '../../command.ts';

/**
 * Prints the decisions that a run would make, one line for each item, then the totals. Lines are
 * printed at once, so memory does not grow with the database. In JSON:
 * `{"items": […], "totals": {…}}`.
 */
export async function printPreview(
  out: NodeJS.WritableStream,
  worker: Worker,
  { db, url, config }: CommandDatabase,
  signal: AbortSignal,
  isJson: boolean,
): Promise<void> {
  const totals = new PreviewTotals();
  let printed = 0;
  const report = (item: Preview): void => {
    totals.add(item);
    if (isJson) out.write(`${printed === 0 ? '' : ','}\n${formatCompactJson(toPreviewJson(item))}`);
    else out.write(`${formatItem(item)}\n`);
    printed += 1;
  };
  if (isJson) out.write('{"items": [');
  const { batchMax } = toWorkerSettings(config, worker);
  await worker.preview({ db, url, batchMax, signal }, report);
  if (isJson) out.write(`\n],\n"totals": ${formatCompactJson(toTotalsJson(totals))}}\n`);
  else out.write(formatTotals(totals));
}

/** Columns have a fixed width, because later items are unknown. */
function formatItem(item: Preview): string {
  if ('subject' in item) {
    return `${item.subject.padEnd(20)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  if ('nodeId' in item) {
    return `${item.nodeId.padEnd(12)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  if ('noticeId' in item) {
    const recipient = (item.telegramId ?? 'admins').toString();
    return `${recipient.padEnd(12)}  ${item.kind.padEnd(16)}  ${item.outcome.padEnd(10)}  ${item.sentence}`;
  }
  const [customer, subscription] = [item.telegramId.toString(), item.subscriptionId.toString()];
  return `${customer.padEnd(12)}  ${subscription.padEnd(10)}  ${item.outcome.padEnd(14)}  ${item.sentence}`;
}

function toTotalsJson({ outcomes }: PreviewTotals) {
  return Object.fromEntries(
    outcomes.map(([outcome, { count, minor }]) => [
      outcome,
      {
        count,
        amounts: Object.fromEntries([...minor].map(([code, sum]) => [code, majorUnits(sum, code)])),
      },
    ]),
  );
}

function formatTotals({ outcomes }: PreviewTotals): string {
  if (outcomes.length === 0) return 'dry run: nothing to do\n';
  const lines = outcomes.map(([outcome, { count, minor }]) => {
    const sums = [...minor].map(([code, sum]) => moneyText(sum, code)).join(', ');
    return `${outcome}: ${count.toLocaleString('en')}${sums === '' ? '' : ` (${sums})`}`;
  });
  return `\ndry run: nothing was changed; a run would have these outcomes:\n${lines.join('\n')}\n`;
}
