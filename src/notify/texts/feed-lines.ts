import { type Language, say } from './language.ts';
import { wrongNames } from './names.ts';
import { type FeedFacts, feedValues } from './values.ts';

// Names of entries in the subscription URL of a customer without access. A language may leave them
// out: then they are in English.

export const feedLines = ['feed_ended', 'feed_none', 'feed_no_servers'] as const;
export type FeedLine = (typeof feedLines)[number];

export const isFeedLine = (id: string): id is FeedLine =>
  (feedLines as readonly string[]).includes(id);

type Eyes = Parameters<typeof feedValues>[1];

export function feedLine(language: Language, name: FeedLine, facts: FeedFacts, eyes: Eyes): string {
  return say(language, name, feedValues(facts, eyes)).replaceAll(/\s+/g, ' ').trim();
}

/** A long name is cut by clients. */
const shownMax = 120;

/** What is wrong with a line of this language. */
export function wrongFeedLine(language: Language, id: FeedLine): string | undefined {
  const eyes = { locale: language.locale, timeZone: 'Europe/Moscow', now: undefined };
  const endedAt = 0 as FeedFacts['endedAt'];
  const told = Object.keys(feedValues({ endedAt, pay: undefined }, eyes));
  const why = wrongNames(language, id, told);
  if (why !== undefined) return why;
  for (const pay of [undefined, 'https://t.me/shop_bot']) {
    const shown = feedLine(language, id, { endedAt, pay }, eyes);
    if (shown === '') return 'is empty: it is the name of an entry';
    const tag = /<[^>]*>/.exec(shown)?.[0];
    if (tag !== undefined) return `has ${tag}: the name of an entry is plain text`;
    if (shown.length > shownMax) return `is ${shown.length} characters long; expected ${shownMax}`;
  }
  return undefined;
}
