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
  readonly totals: Totals;
  readonly active: number;
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
function nodeFacts({ id, users, wanted, equal, retired, confirmed }: NodeShown): string[] {
  const books =
    users !== wanted
      ? `the books say ${wanted}`
      : equal
        ? 'as in the books'
        : 'OTHERS in the books';
  const gone = confirmed === retired ? 'all confirmed' : `${retired - confirmed} to confirm`;
  return [`node ${id}: ${users} can connect, ${books}`, `removed ${retired}, ${gone}`];
}

/** What is shown besides the news: a line each, of facts that stand beside each other. */
function factLines(shown: Shown, totals: Totals): string[][] {
  const balances = `balances ${moneyText(shown.balanceMinor, 'RUB')}`;
  const counts = (kinds: readonly NewsKind[]) => kinds.map((kind) => totalText(totals, kind));
  return [
    [`${shown.active} subscriptions active`, balances, auditText(shown.audit)],
    counts(['renewed', 'short', 'topped_up', 'reminded']),
    counts(['revived', 'expired', 'purchased', 'trial_started']),
    nodeFacts(shown.node),
  ];
}

/** A picture that is drawn again and again in its place. */
export function liveView(stream: NodeJS.WriteStream): View {
  const update = createLogUpdate(stream);
  let latest: NewsItem[] = [];
  return {
    show(shown, news) {
      const rows = Math.max(5, Math.min(20, (stream.rows ?? 24) - 10));
      latest = [...latest, ...news].slice(-rows);
      update(picture(shown, latest));
    },
    end: () => update.done(),
  };
}

function picture(shown: Shown, latest: readonly NewsItem[]): string {
  return [
    `perennial demo   ${minute(shown.now)} UTC   ${Math.round(shown.rate).toLocaleString('en')}x   Ctrl-C ends it`,
    '',
    ...factLines(shown, shown.totals).map((facts) => facts.join('   ')),
    '',
    ...latest.map(newsLine),
  ].join('\n');
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
  return [minute(shown.now), ...factLines(shown, since).flat()].join('  ');
}

function hourJson(shown: Shown, since: Totals): string {
  const counts = Object.entries(since).map(([kind, { count }]) => [kind, count]);
  return JSON.stringify({
    now: isoTime(shown.now),
    ...Object.fromEntries(counts),
    active: shown.active,
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
