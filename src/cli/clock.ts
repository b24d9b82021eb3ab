import { Command } from 'commander';
import { isoTime } from '../kernel/instant.ts';
import {
  type AcceptedClock,
  acceptClock,
  acceptedJson,
  type ClockStatus,
  clockJson,
  readClockStatus,
} from '../workers/clock-accept.ts';
import { clockReport, clockUndo } from './clock-undo.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

/** `perennial clock show|accept|report|undo`: the time of the database, and a wrong clock. */
export function clockCommand(open: OpenBooks): Command {
  return new Command('clock')
    .description('show the database time, confirm it, undo the effects of a wrong clock')
    .addCommand(show(open))
    .addCommand(accept(open))
    .addCommand(clockReport(open))
    .addCommand(clockUndo(open));
}

function show(open: OpenBooks): Command {
  return command(
    'show',
    'show the database time, its trust and the clocks compared with it',
  ).action((options: CommonOptions) =>
    withBooks(open, options, async ({ db }) => {
      const status = await readClockStatus(db);
      print(options, clockJson(status), () => text(status));
    }),
  );
}

function accept(open: OpenBooks): Command {
  return command('accept', 'confirm the database time and state; waiting work continues').action(
    (options: CommonOptions) =>
      withBooks(open, options, async ({ db }) => {
        const done = await acceptClock(db, 'cli');
        print(options, acceptedJson(done), () => acceptedText(done));
      }),
  );
}

const acceptedText = ({ now, accepted }: AcceptedClock): string =>
  accepted === null
    ? `${isoTime(now)} is trusted already; nothing was changed`
    : `accepted ${isoTime(now)} (${accepted.reason}); waiting work continues within a minute`;

function text(status: ClockStatus): string {
  const { now, mark_at, machine_ahead_s, stored, witnesses } = clockJson(status);
  const { trust } = status;
  const state = trust.kind === 'trusted' ? 'trusted' : `suspect: ${trust.reason}`;
  const rows = [
    ['database time', `${now}${stored ? ' (stored clock of a test database)' : ''}`],
    ['state', state],
    ['high-water mark', mark_at ?? 'none yet'],
    ['machine ahead by', `${machine_ahead_s} s`],
    ...witnesses.map(({ name, at }) => ['witness', `${name}, last agreed at ${at}`]),
  ];
  const hint =
    trust.kind === 'trusted'
      ? ''
      : '\nCorrect the clock, or confirm this time with "perennial clock accept".';
  return `${table(rows)}${hint}`;
}
