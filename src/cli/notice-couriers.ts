import type { Command } from 'commander';
import { isoTime } from '../kernel/instant.ts';
import {
  forgetCourier,
  type KnownCourier,
  readCouriers,
} from '../workers/deliver-notifications/known.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

interface Options extends CommonOptions {
  readonly forget?: string;
}

/** `perennial notice couriers`: by which bots and mailboxes messages went, and how those are. */
export function couriersCommand(open: OpenBooks): Command {
  return command('couriers', 'the bots, mailboxes and logs that messages went by, and how they are')
    .option('--forget <ID>', 'one is given up for good: what it would send goes to the log')
    .action((options: Options) =>
      withBooks(open, options, async ({ db }) => {
        const { forget } = options;
        if (forget !== undefined) {
          await forgetCourier(db, forget, 'cli');
          print(options, { id: forget, forgotten: true }, () => `${forget}: forgotten`);
          return;
        }
        const couriers = await readCouriers(db);
        print(options, couriers.map(courierJson), () => text(couriers));
      }),
    );
}

const courierJson = ({ id, lives, restsUntil, failures, lastError }: KnownCourier) => ({
  id,
  delivers: lives,
  rests_until: restsUntil === null ? null : isoTime(restsUntil),
  failures,
  last_error: lastError,
});

function text(couriers: readonly KnownCourier[]): string {
  if (couriers.length === 0) return 'nothing was ever delivered';
  return table([
    ['ID', 'DELIVERS', 'RESTS UNTIL', 'FAILURES', 'LAST ERROR'],
    ...couriers.map(({ id, lives, restsUntil, failures, lastError }) => [
      id,
      lives ? 'yes' : 'no',
      restsUntil === null ? '' : isoTime(restsUntil),
      String(failures),
      lastError ?? '',
    ]),
  ]);
}
