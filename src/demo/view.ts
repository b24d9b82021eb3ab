import { createLogUpdate } from 'log-update';
import { hourMs, type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import type { NewsItem, NewsKind } from './news.ts';

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

/** A picture that is drawn again and again in its place. */
export function liveView(stream: NodeJS.WriteStream): View {
  const update = createLogUpdate(stream);
  let latest: NewsItem[] = [];
  return {
    show(shown, news) {
      const rows = Math.max(5, Math.min(20, (stream.rows ?? 24) - 9));
      latest = [...latest, ...news].slice(-rows);
      update(picture(shown, latest));
    },
    end: () => update.done(),
  };
}

function picture(shown: Shown, latest: readonly NewsItem[]): string {
  const { totals } = shown;
  return [
    `perennial demo   ${minute(shown.now)} UTC   ${Math.round(shown.rate).toLocaleString('en')}x   Ctrl-C ends it`,
    '',
    `${shown.active} subscriptions active   balances ${moneyText(shown.balanceMinor, 'RUB')}   ${auditText(shown.audit)}`,
    (['renewed', 'short', 'topped_up'] as const).map((kind) => totalText(totals, kind)).join('   '),
    (['revived', 'expired', 'purchased'] as const)
      .map((kind) => totalText(totals, kind))
      .join('   '),
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
  const kinds = ['renewed', 'short', 'topped_up', 'revived', 'expired', 'purchased'] as const;
  const counts = kinds.map((kind) => totalText(since, kind)).join('  ');
  return `${minute(shown.now)}  ${counts}  active ${shown.active}  ${auditText(shown.audit)}`;
}

function hourJson(shown: Shown, since: Totals): string {
  const counts = Object.entries(since).map(([kind, { count }]) => [kind, count]);
  return JSON.stringify({
    now: isoTime(shown.now),
    ...Object.fromEntries(counts),
    active: shown.active,
    audit: shown.audit ?? null,
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
