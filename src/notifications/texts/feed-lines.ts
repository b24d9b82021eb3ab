import { formatText, type Language } from './language.ts';
import { checkNames } from './names.ts';
import { type FeedFacts, toFeedValues } from './values.ts';

// The names of entries in the subscription feed of a customer without access. A language may lack
// them. Then the English ones are used.

export const feedLines = ['feed_ended', 'feed_none', 'feed_no_servers'] as const;
export type FeedLine = (typeof feedLines)[number];

export const isFeedLine = (id: string): id is FeedLine =>
  (feedLines as readonly string[]).includes(id);

type DisplayOptions = Parameters<typeof toFeedValues>[1];

export function renderFeedLine(
  language: Language,
  name: FeedLine,
  facts: FeedFacts,
  context: DisplayOptions,
): string {
  return formatText(language, name, toFeedValues(facts, context)).replaceAll(/\s+/g, ' ').trim();
}

/** Clients shorten a longer name. */
const lineMax = 120;

/** The problem of a line in this language. */
export function checkFeedLine(language: Language, id: FeedLine): string | undefined {
  const context = { locale: language.locale, timeZone: 'Europe/Moscow', now: undefined };
  const endedAt = 0 as FeedFacts['endedAt'];
  const names = Object.keys(toFeedValues({ endedAt, pay: undefined }, context));
  const problem = checkNames(language, id, names);
  if (problem !== undefined) return problem;
  for (const pay of [undefined, 'https://t.me/shop_bot']) {
    const shown = renderFeedLine(language, id, { endedAt, pay }, context);
    if (shown === '') return 'is empty: it is the name of an entry';
    const tag = /<[^>]*>/.exec(shown)?.[0];
    if (tag !== undefined) return `has ${tag}: the name of an entry is plain text`;
    if (shown.length > lineMax) return `is ${shown.length} characters long; expected ${lineMax}`;
  }
  return undefined;
}
