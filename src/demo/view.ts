import { createLogUpdate } from 'log-update';
import { formatCount } from '../kernel/count.ts';
import { hourMs, type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import type { ActivityItem, ActivityKind } from './activity.ts';
import type { NodeState } from './node.ts';

// The view of a demo: a live picture on a terminal, otherwise one line per virtual hour.

export interface DemoState {
  readonly now: Instant;
  /** The reached rate: virtual time per real time. */
  readonly rate: number;
  /** The requested rate; a busy machine does not reach it. */
  readonly requestedRate: number;
  readonly totals: Totals;
  readonly balanceMinor: bigint;
  /** The last audit: checks and violations. */
  readonly audit: { readonly checks: number; readonly violations: number } | undefined;
  readonly node: NodeState;
}

export type Totals = Readonly<
  Record<ActivityKind, { readonly count: number; readonly minor: bigint }>
>;

export interface DemoView {
  /** Receives all values, and decides itself when to show them. */
  show(state: DemoState, activity: readonly ActivityItem[]): void;
  /** Shows lines above all others. */
  announce(lines: string): void;
  end(): void;
}

const kindTexts: Record<ActivityKind, string> = {
  renewed: 'renewed',
  revived: 'revived',
  short: 'short',
  topped_up: 'topped up',
  purchased: 'bought',
  trial_started: 'trial',
  reminded: 'reminded',
  expired: 'ended',
};

/** `2026-11-24 09:00Z`: the Z names the zone, UTC. */
const formatMinute = (at: Instant): string => `${isoTime(at).slice(0, 16).replace('T', ' ')}Z`;

function formatTotal(totals: Totals, kind: ActivityKind): string {
  const { count, minor } = totals[kind];
  return minor === 0n
    ? `${kindTexts[kind]} ${count}`
    : `${kindTexts[kind]} ${count} (${moneyText(minor, 'RUB')})`;
}

function formatAudit(audit: DemoState['audit']): string {
  if (audit === undefined) return 'audit: not yet';
  return audit.violations === 0
    ? `audit: ${formatCount(audit.checks, 'check')}, all hold`
    : `audit: ${formatCount(audit.violations, 'VIOLATION')}`;
}

/** The users of the node, compared with the database. */
function formatNode(node: NodeState): string[] {
  const { id, users, retired, confirmed } = node;
  const confirmation =
    confirmed === retired ? 'all confirmed' : `${retired - confirmed} to confirm`;
  return [
    `node ${id}: ${users} can connect, ${formatComparison(node)}`,
    `removed ${retired}, ${confirmation}`,
  ];
}

/** Explains a count that differs from the database or from the active subscriptions. */
function formatComparison({ users, wanted, active, equal, marks }: NodeState): string {
  if (!equal) {
    const cause =
      marks === 0 ? 'with NO pending change' : `with ${formatCount(marks, 'pending change')}`;
    const count = users === wanted ? 'other users' : `${wanted}`;
    return `the database has ${count}, ${cause}`;
  }
  if (active === wanted) return 'all active ones';
  return `all active ones except ${active - wanted} on other nodes`;
}

/** The reached rate, and the requested one if this machine does not reach it. */
function formatRate({ rate, requestedRate }: DemoState): string {
  const text = (times: number) => `${Math.round(times).toLocaleString('en')}x`;
  return rate >= requestedRate * 0.9
    ? text(rate)
    : `${text(rate)} of ${text(requestedRate)} (machine busy)`;
}

/** The lines beside the news, each with facts that belong together. */
function formatFacts(state: DemoState, totals: Totals): string[][] {
  const balances = `balances ${moneyText(state.balanceMinor, 'RUB')}`;
  const counts = (kinds: readonly ActivityKind[]) => kinds.map((kind) => formatTotal(totals, kind));
  return [
    [
      `${formatCount(state.node.active, 'subscription')} active`,
      balances,
      formatAudit(state.audit),
    ],
    counts(['renewed', 'short', 'topped_up', 'reminded']),
    counts(['revived', 'expired', 'purchased', 'trial_started']),
    formatNode(state.node),
  ];
}

const activityMax = 20;
/** Moves to the top left and clears the screen. */
const clearScreen = '\u001b[H\u001b[2J';

/** A picture that is drawn again in its place, and cleared first after a change of the window. */
export function createLiveView(stream: NodeJS.WriteStream): DemoView {
  let update = createLogUpdate(stream);
  let latest: readonly ActivityItem[] = [];
  let lastState: DemoState | undefined;
  let announced = '';
  const draw = () => {
    const size = { columns: stream.columns ?? 80, rows: stream.rows ?? 24 };
    if (lastState !== undefined) update(renderPicture(lastState, latest, size));
  };
  // The terminal has moved the lines of the last picture, so they cannot be erased one by one.
  const redraw = () => {
    stream.write(`${clearScreen}${announced}`);
    update.done();
    update = createLogUpdate(stream);
    draw();
  };
  stream.on('resize', redraw);
  return {
    show(state, activity) {
      latest = [...latest, ...activity].slice(-activityMax);
      lastState = state;
      draw();
    },
    announce(lines) {
      announced = `${lines}\n\n`;
      stream.write(announced);
    },
    end() {
      stream.off('resize', redraw);
      update.done();
    },
  };
}

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/** Fits the picture into the window: facts wrap, news are cut, and the oldest news are dropped. */
export function renderPicture(
  state: DemoState,
  latest: readonly ActivityItem[],
  { columns, rows }: WindowSize,
): string {
  const title = ['perennial demo', formatMinute(state.now), formatRate(state), 'Ctrl-C ends it'];
  const facts = formatFacts(state, state.totals).flatMap((line) => wrapFacts(line, columns));
  const head = [...wrapFacts(title, columns), '', ...facts, ''];
  // The cursor is on a separate line below.
  const shownMax = Math.max(0, Math.min(activityMax, rows - 1 - head.length));
  const activity = shownMax === 0 ? [] : latest.slice(-shownMax).map(formatActivity);
  return [...head, ...activity]
    .slice(0, Math.max(1, rows - 1))
    .map((line) => line.slice(0, columns))
    .join('\n');
}

/** Puts as many facts into a line as fit. */
function wrapFacts(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const last = lines.at(-1);
    const joined = `${last}   ${fact}`;
    if (last !== undefined && joined.length <= columns) lines[lines.length - 1] = joined;
    else lines.push(fact);
  }
  return lines;
}

function formatActivity(item: ActivityItem): string {
  return `${formatMinute(item.at)}  ${kindTexts[item.kind].padEnd(9)}  ${String(item.telegramId).padEnd(11)}  ${item.sentence}`;
}

/** One line for each virtual hour, as text or JSON. */
export function createPlainView(write: (line: string) => void, asJson: boolean): DemoView {
  let hour: number | undefined;
  let since: Totals = createTotals();
  return {
    show(state, activity) {
      const current = Math.floor(state.now / hourMs);
      hour ??= current;
      if (current > hour) {
        write(asJson ? formatHourJson(state, since) : formatHour(state, since));
        hour = current;
        since = createTotals();
      }
      since = addToTotals(since, activity);
    },
    announce: write,
    end: () => undefined,
  };
}

function formatHour(state: DemoState, since: Totals): string {
  return [formatMinute(state.now), formatRate(state), ...formatFacts(state, since).flat()].join(
    '  ',
  );
}

function formatHourJson(state: DemoState, since: Totals): string {
  const counts = Object.entries(since).map(([kind, { count }]) => [kind, count]);
  return JSON.stringify({
    now: isoTime(state.now),
    ...Object.fromEntries(counts),
    rate: Math.round(state.rate),
    active: state.node.active,
    audit: state.audit ?? null,
    node: state.node,
  });
}

export function createTotals(): Totals {
  const zero = { count: 0, minor: 0n };
  return {
    renewed: zero,
    revived: zero,
    short: zero,
    topped_up: zero,
    purchased: zero,
    trial_started: zero,
    reminded: zero,
    expired: zero,
  };
}

export function addToTotals(totals: Totals, activity: readonly ActivityItem[]): Totals {
  const sums = { ...totals };
  for (const { kind, amountMinor } of activity) {
    sums[kind] = { count: sums[kind].count + 1, minor: sums[kind].minor + amountMinor };
  }
  return sums;
}
