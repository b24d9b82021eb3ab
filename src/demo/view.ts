import { createLogUpdate } from 'log-update';
import { hourMs, type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import type { NewsItem, NewsKind } from './news.ts';
import type { NodeShown } from './node.ts';

// What somebody sees of a demo: a live picture on a terminal, a line for each hour elsewhere.

export interface Shown {
  readonly now: Instant;
  /** Virtual time in real time, as it really goes. */
  readonly rate: number;
  /** The rate that was asked for; a busy machine does not reach it. */
  readonly askedRate: number;
  readonly totals: Totals;
  readonly balanceMinor: bigint;
  /** The last audit: checks, and violations found. */
  readonly audit: { readonly checks: number; readonly violations: number } | undefined;
  readonly node: NodeShown;
}

export type Totals = Readonly<Record<NewsKind, { readonly count: number; readonly minor: bigint }>>;

export interface View {
  /** Told of everything; decides itself what to show when. */
  show(shown: Shown, news: readonly NewsItem[]): void;
  end(): void;
}

const words: Record<NewsKind, string> = {
  renewed: 'renewed',
  revived: 'revived',
  short: 'short',
  topped_up: 'topped up',
  purchased: 'bought',
  trial_started: 'trial',
  reminded: 'reminded',
  expired: 'ended',
};

const minute = (at: Instant): string => isoTime(at).slice(0, 16).replace('T', ' ');

function totalText(totals: Totals, kind: NewsKind): string {
  const { count, minor } = totals[kind];
  return minor === 0n
    ? `${words[kind]} ${count}`
    : `${words[kind]} ${count} (${moneyText(minor, 'RUB')})`;
}

function auditText(audit: Shown['audit']): string {
  if (audit === undefined) return 'audit: not yet';
  return audit.violations === 0
    ? `audit: ${audit.checks} checks, all hold`
    : `audit: ${audit.violations} VIOLATIONS`;
}

/** Who can connect: what the node has, against what the books want. */
function nodeFacts(node: NodeShown): string[] {
  const { id, users, retired, confirmed } = node;
  const gone = confirmed === retired ? 'all confirmed' : `${retired - confirmed} to confirm`;
  return [`node ${id}: ${users} can connect, ${comparison(node)}`, `removed ${retired}, ${gone}`];
}

/** Explains a figure that differs from the one of the database, or from the active ones. */
function comparison({ users, wanted, active, equal, marks }: NodeShown): string {
  if (!equal) {
    const under = marks === 1 ? '1 change is under way' : `${marks} changes are under way`;
    const cause = marks === 0 ? 'with NO change under way' : `and ${under}`;
    const count = users === wanted ? 'other users' : `${wanted}`;
    return `the database has ${count}, ${cause}`;
  }
  if (active === wanted) return 'all active ones';
  return `all active ones except ${active - wanted} on other nodes`;
}

/** The rate that is reached, and the one that was asked for if this machine does not reach it. */
function rateText({ rate, askedRate }: Shown): string {
  const text = (times: number) => `${Math.round(times).toLocaleString('en')}x`;
  return rate >= askedRate * 0.9
    ? text(rate)
    : `${text(rate)} of ${text(askedRate)} (machine busy)`;
}

/** What is shown besides the news: a line each, of facts that stand beside each other. */
function factLines(shown: Shown, totals: Totals): string[][] {
  const balances = `balances ${moneyText(shown.balanceMinor, 'RUB')}`;
  const counts = (kinds: readonly NewsKind[]) => kinds.map((kind) => totalText(totals, kind));
  return [
    [`${shown.node.active} subscriptions active`, balances, auditText(shown.audit)],
    counts(['renewed', 'short', 'topped_up', 'reminded']),
    counts(['revived', 'expired', 'purchased', 'trial_started']),
    nodeFacts(shown.node),
  ];
}

const newsMax = 20;
/** Moves to the top left and clears the screen, as a terminal does that was just opened. */
const clearScreen = '\u001b[H\u001b[2J';

/** A picture that is drawn again and again in its place, and anew in a window of another size. */
export function liveView(stream: NodeJS.WriteStream): View {
  let update = createLogUpdate(stream);
  let latest: readonly NewsItem[] = [];
  let last: Shown | undefined;
  const draw = () => {
    const size = { columns: stream.columns ?? 80, rows: stream.rows ?? 24 };
    if (last !== undefined) update(picture(last, latest, size));
  };
  // The terminal has moved the lines of the last picture, so they can't be erased one by one.
  const redraw = () => {
    stream.write(clearScreen);
    update.done();
    update = createLogUpdate(stream);
    draw();
  };
  stream.on('resize', redraw);
  return {
    show(shown, news) {
      latest = [...latest, ...news].slice(-newsMax);
      last = shown;
      draw();
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

/** Fits into the window: facts go to further lines, news are cut and the oldest are left out. */
export function picture(
  shown: Shown,
  latest: readonly NewsItem[],
  { columns, rows }: WindowSize,
): string {
  const title = ['perennial demo', `${minute(shown.now)} UTC`, rateText(shown), 'Ctrl-C ends it'];
  const facts = factLines(shown, shown.totals).flatMap((line) => wrapFacts(line, columns));
  const head = [...wrapFacts(title, columns), '', ...facts, ''];
  // The cursor stands on a line of its own below.
  const left = Math.max(0, Math.min(newsMax, rows - 1 - head.length));
  const news = left === 0 ? [] : latest.slice(-left).map(newsLine);
  return [...head, ...news]
    .slice(0, Math.max(1, rows - 1))
    .map((line) => line.slice(0, columns))
    .join('\n');
}

/** As many facts in a line as it has room for. */
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

function newsLine(item: NewsItem): string {
  return `${minute(item.at)}  ${words[item.kind].padEnd(9)}  ${String(item.telegramId).padEnd(11)}  ${item.sentence}`;
}

/** One line for each virtual hour that has passed; an object of JSON, if asked for. */
export function plainView(write: (line: string) => void, asJson: boolean): View {
  let hour: number | undefined;
  let since: Totals = emptyTotals();
  return {
    show(shown, news) {
      const current = Math.floor(shown.now / hourMs);
      hour ??= current;
      if (current > hour) {
        write(asJson ? hourJson(shown, since) : hourText(shown, since));
        hour = current;
        since = emptyTotals();
      }
      since = addTo(since, news);
    },
    end: () => undefined,
  };
}

function hourText(shown: Shown, since: Totals): string {
  return [minute(shown.now), rateText(shown), ...factLines(shown, since).flat()].join('  ');
}

function hourJson(shown: Shown, since: Totals): string {
  const counts = Object.entries(since).map(([kind, { count }]) => [kind, count]);
  return JSON.stringify({
    now: isoTime(shown.now),
    ...Object.fromEntries(counts),
    rate: Math.round(shown.rate),
    active: shown.node.active,
    audit: shown.audit ?? null,
    node: shown.node,
  });
}

export function emptyTotals(): Totals {
  const nothing = { count: 0, minor: 0n };
  return {
    renewed: nothing,
    revived: nothing,
    short: nothing,
    topped_up: nothing,
    purchased: nothing,
    trial_started: nothing,
    reminded: nothing,
    expired: nothing,
  };
}

export function addTo(totals: Totals, news: readonly NewsItem[]): Totals {
  const sums = { ...totals };
  for (const { kind, amountMinor } of news) {
    sums[kind] = { count: sums[kind].count + 1, minor: sums[kind].minor + amountMinor };
  }
  return sums;
}
