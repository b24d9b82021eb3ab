// HTML as Telegram has it: a few tags, and four characters that a value must not bring along.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** A value that is text and nothing else, wherever it is put. */
export const escaped = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (character) => entities[character] as string);

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

/** The same for eyes that see no HTML: a log, the text part of a mail. */
export const plainOf = (html: string): string =>
  html
    .replaceAll(/<[^<>]*>/g, '')
    .replaceAll(/&(amp|lt|gt|quot);/g, (_, name: string) => named[name] as string);

/** Those of the Bot API's "HTML style". */
const tags = new Set(
  'a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u'.split(' '),
);

/** Why Telegram would refuse it; undefined: it would not. */
export function wrongHtml(html: string): string | undefined {
  const open: string[] = [];
  for (const [, closing, name = '', , stray] of html.matchAll(
    /<(\/?)([a-z][a-z0-9-]*)((?:\s[^<>]*)?)>|([<>])/g,
  )) {
    if (stray !== undefined)
      return `a "${stray}" that is no tag; write &${stray === '<' ? 'lt' : 'gt'};`;
    if (!tags.has(name)) return `<${name}>, which Telegram doesn't know`;
    if (closing === '') open.push(name);
    else if (open.pop() !== name) return `</${name}> without its <${name}>`;
  }
  const [left] = open;
  return left === undefined ? undefined : `<${left}> without its </${left}>`;
}
