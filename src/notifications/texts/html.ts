// The HTML of Telegram (core.telegram.org/bots/api, "HTML style").
//
// It has a few tags, four named characters, and 4,096 visible characters per message. Telegram
// refuses other HTML, and the notification with it.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** A value that stays text at any position. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (character) => entities[character] as string);

const namedEntities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

/** The same text without HTML, for a log or the text part of an e-mail. */
export const toPlainText = (html: string): string =>
  html
    .replaceAll(/<[^<>]*>/g, '')
    .replaceAll(/&(?:(amp|lt|gt|quot)|#(x?[0-9a-f]+));/gi, decodeEntity);

function decodeEntity(match: string, name: string | undefined, number: string | undefined): string {
  if (name !== undefined) return namedEntities[name] ?? match;
  const code = Number(`${/^x/i.test(number ?? '') ? '0' : ''}${number}`);
  return code > 0 && code < 0x10_ffff ? String.fromCodePoint(code).toWellFormed() : match;
}

/** As Telegram counts them, or more: in UTF-16. */
export const messageMax = 4_096;

/** Tags without attributes. The others are below, with their attributes. */
const plainTags = 'b blockquote code del em i ins pre s strike strong tg-spoiler u'.split(' ');
const allTags = [...plainTags, 'a', 'span', 'tg-emoji'].sort().join(', ');

const tagPattern = /<(\/?)([a-z][a-z0-9-]*)((?:\s[^<>]*)?)>|([<>])|&([a-z]+);/gi;

/** Why Telegram would refuse or change it; undefined: it would not. */
export function checkHtml(html: string): string | undefined {
  const open: string[] = [];
  for (const [, closing, tag = '', attributes = '', bracket, entity] of html.matchAll(tagPattern)) {
    if (entity !== undefined) {
      if (Object.hasOwn(namedEntities, entity)) continue;
      return `&${entity};, which Telegram doesn't know: &amp;, &lt;, &gt;, &quot; and numbers as &#160; are`;
    }
    if (bracket !== undefined)
      return `a "${bracket}" that is no tag; write &${bracket === '<' ? 'lt' : 'gt'};`;
    const name = tag.toLowerCase();
    if (closing === '') {
      const problem = checkTag(name, attributes);
      if (problem !== undefined) return problem;
      open.push(name);
    } else if (open.pop() !== name) return `</${name}> without its <${name}>`;
  }
  const [unclosed] = open;
  return unclosed === undefined ? undefined : `<${unclosed}> without its </${unclosed}>`;
}

function checkTag(name: string, attributes: string): string | undefined {
  const parsed = parseAttributes(attributes);
  if (parsed === undefined) return `<${name}${attributes}>: write an attribute as name="value"`;
  const value = (attribute: string): string => toPlainText(parsed.get(attribute) ?? '');
  switch (name) {
    case 'a':
      if (isPageUrl(value('href'))) return undefined;
      return `<a${attributes}>: it needs href="https://…", of a host with a dot, or tg://…`;
    case 'span':
      if (value('class') === 'tg-spoiler') return undefined;
      return `<span${attributes}>: it needs class="tg-spoiler"`;
    case 'tg-emoji':
      if (/^[1-9]\d{0,18}$/.test(value('emoji-id'))) return undefined;
      return `<tg-emoji${attributes}>: it needs emoji-id="…", a number`;
    default:
      if (plainTags.includes(name)) return undefined;
      return `<${name}>, which Telegram doesn't know; it knows ${allTags}`;
  }
}

const attributePattern =
  /\s+([^\s=<>/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([a-z0-9.-]+)(?=\s|$)))?/gi;

/** @returns undefined: Telegram cannot read them */
function parseAttributes(text: string): Map<string, string> | undefined {
  if (text.replaceAll(attributePattern, '').trim() !== '') return undefined;
  return new Map(
    [...text.matchAll(attributePattern)].map(([, name = '', double, single, bare]) => [
      name,
      double ?? single ?? bare ?? '',
    ]),
  );
}

/** Whether Telegram accepts it as a link. A host without a dot is not accepted. */
export function isPageUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  if (protocol === 'tg:') return true;
  return /^https?:$/.test(protocol) && /[.[]/.test(hostname);
}
