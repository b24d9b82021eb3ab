import type { Command } from 'commander';
import { isoTime } from '../../../kernel/instant.ts';
import {
  type CourierStatus,
  forgetCourier,
  readCouriers,
  toCourierJson,
} from '../../../workers/deliver-notifications/courier-registry.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

interface Options extends CommonOptions {
  readonly forget?: string;
}

/** `perennial notice couriers`: the bots, mailboxes and logs that delivered, with their states. */
export function buildNoticeCouriersCommand(open: DatabaseOpener): Command {
  return buildCommand('couriers', 'list bots, mailboxes and logs that delivered, with their states')
    .option('--forget <ID>', 'delete this courier; its notifications go to the log [list]')
    .action((options: Options) =>
      withDatabase(open, options, async ({ db }) => {
        const { forget } = options;
        if (forget !== undefined) {
          await forgetCourier(db, forget, 'cli');
          printResult(options, { id: forget, forgotten: true }, () => `${forget}: forgotten`);
          return;
        }
        const couriers = await readCouriers(db);
        printResult(options, couriers.map(toCourierJson), () => formatCouriers(couriers));
      }),
    );
}

function formatCouriers(couriers: readonly CourierStatus[]): string {
  if (couriers.length === 0) return 'no couriers; nothing was delivered so far';
  return formatTable([
    ['ID', 'STATUS', 'PAUSED UNTIL', 'FAILURES', 'LAST ERROR'],
    ...couriers.map(({ id, isRunning, pausedUntil, failures, lastError }) => [
      id,
      isRunning ? 'running' : 'stopped',
      pausedUntil === null ? '' : isoTime(pausedUntil),
      String(failures),
      lastError ?? '',
    ]),
  ]);
}
