import { Command } from 'commander';
import { isoTime } from '../../../kernel/instant.ts';
import {
  type AcceptedClock,
  acceptClock,
  type ClockStatus,
  readClockStatus,
  toAcceptedClockJson,
  toClockStatusJson,
} from '../../../runs/clock/accept.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { buildClockReportCommand, buildClockUndoCommand } from './undo.ts';

/** `perennial clock show|accept|report|undo`: the time of the database, and a wrong clock. */
export function buildClockCommand(open: DatabaseOpener): Command {
  return new Command('clock')
    .addCommand(buildShowCommand(open))
    .addCommand(buildAcceptCommand(open))
    .addCommand(buildClockReportCommand(open))
    .addCommand(buildClockUndoCommand(open));
}

function buildShowCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'show',
    'show the database time, its trust and the clocks compared with it',
  ).action((options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const status = await readClockStatus(db);
      printResult(options, toClockStatusJson(status), () => formatStatus(status));
    }),
  );
}

function buildAcceptCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'accept',
    'confirm the database time and state, so that waiting work continues',
  ).action((options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const result = await acceptClock(db, 'cli');
      printResult(options, toAcceptedClockJson(result), () => formatAccepted(result));
    }),
  );
}

const formatAccepted = ({ now, accepted }: AcceptedClock): string =>
  accepted === null
    ? `${isoTime(now)} is trusted already; nothing was changed`
    : `accepted ${isoTime(now)} (${accepted.reason}); waiting work continues within a minute`;

function formatStatus(status: ClockStatus): string {
  const { now, mark_at, machine_ahead_s, stored, witnesses } = toClockStatusJson(status);
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
  return `${formatTable(rows)}${hint}`;
}
