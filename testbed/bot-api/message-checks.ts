// Telegram's checks of a message: HTML and buttons as TDLib checks them, with its error texts. They
// were written from its description, independently of `src/notifications/texts/html.ts`, so that
// each finds the errors of the other.

const textMax = 4_096;
const knownTags = new Set(
  'a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u'.split(' '),
);
const characters: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"' };

class RefusedMessage extends Error {}

/** The error text for the body of a `sendMessage`, or undefined if the message is accepted. */
export function findRefusal(body: Readonly<Record<string, unknown>>): string | undefined {
  try {
    const text = String(body.text ?? '');
    const shown = body.parse_mode === 'HTML' ? parseHtml(text) : text;
    if (shown.trim() === '') throw new RefusedMessage('message text is empty');
    if (shown.length > textMax) throw new RefusedMessage('message is too long');
    const markup = body.reply_markup as { inline_keyboard?: unknown[][] } | undefined;
    for (const button of markup?.inline_keyboard?.flat() ?? []) checkButton(button as Button);
    return undefined;
  } catch (error) {
    if (error instanceof RefusedMessage) return `Bad Request: ${error.message}`;
    throw error;
  }
}

/** The text that is shown. @throws Refused */
function parseHtml(html: string): string {
  const open: string[] = [];
  let shown = '';
  let at = 0;
  const fail = (what: string): never => {
    throw new RefusedMessage(`can't parse entities: ${what} at byte offset ${at}`);
  };
  while (at < html.length) {
    if (html[at] !== '<') {
      const entity = /^&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(lt|gt|amp|quot));?/.exec(
        html.slice(at, at + 12),
      );
      const [whole = html[at] as string, decimal, hex, name] = entity ?? [];
      if (decimal ?? hex) shown += String.fromCodePoint(Number(decimal ?? `0x${hex}`));
      else shown += name === undefined ? whole : characters[name];
      at += whole.length;
      continue;
    }
    const end = findTagEnd(html, at);
    if (end === undefined) return fail('Unclosed start tag');
    const inside = html.slice(at + 1, end);
    if (inside.startsWith('/')) {
      const name = inside.slice(1).trim().toLowerCase();
      const expected = open.pop();
      if (expected === undefined) fail('Unexpected end tag');
      if (name !== '' && name !== expected) fail(`Unmatched end tag, expected "</${expected}>"`);
    } else {
      const [name = '', ...rest] = inside.split(/(?=\s)/);
      const tag = name.toLowerCase();
      if (!knownTags.has(tag)) fail(`Unsupported start tag "${tag}"`);
      checkAttributes(tag, rest.join(''), fail);
      open.push(tag);
    }
    at = end + 1;
  }
  if (open.length > 0) {
    throw new RefusedMessage(
      `can't parse entities: Can't find end tag corresponding to start tag "${open.at(-1)}"`,
    );
  }
  return shown;
}

/** A `>` in quotes doesn't end a tag. */
function findTagEnd(html: string, from: number): number | undefined {
  let quote = '';
  for (let at = from + 1; at < html.length; at += 1) {
    const character = html[at] as string;
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '>') return at;
    else if ((character === '"' || character === "'") && /=\s*$/.test(html.slice(from, at))) {
      quote = character;
    }
  }
  return undefined;
}

function checkAttributes(tag: string, text: string, fail: (what: string) => never): void {
  const values = new Map<string, string>();
  let rest = text.trimStart();
  while (rest !== '') {
    const [, name = ''] = /^([^\s=>/"']*)/.exec(rest) ?? [];
    if (name === '') fail(`Empty attribute name in the tag "${tag}"`);
    rest = rest.slice(name.length).trimStart();
    values.set(name, '');
    if (!rest.startsWith('=')) continue;
    rest = rest.slice(1).trimStart();
    const value = /^(?:"([^"]*)"|'([^']*)'|([a-zA-Z0-9.-]*)(?=\s|$))/.exec(rest);
    if (value === null) fail('Unexpected end of name token');
    const [whole = '', double, single, bare] = value ?? [];
    values.set(name, double ?? single ?? bare?.toLowerCase() ?? '');
    rest = rest.slice(whole.length).trimStart();
  }
  if (tag === 'span' && values.get('class') !== 'tg-spoiler') {
    fail('Tag "span" must have class "tg-spoiler"');
  }
  if (tag === 'tg-emoji' && !/^[1-9]\d*$/.test(values.get('emoji-id') ?? '')) {
    throw new RefusedMessage("can't parse entities: Invalid custom emoji identifier specified");
  }
}

interface Button {
  readonly text?: string;
  readonly url?: string;
  readonly callback_data?: string;
}

function checkButton({ text = '', url, callback_data }: Button): void {
  if (text.trim() === '') throw new RefusedMessage('inline keyboard button text must be non-empty');
  if (url !== undefined) {
    const [, protocol = 'http', host = ''] = /^(?:(\w+):\/\/)?([^/?#]*)/.exec(url) ?? [];
    const invalid = (why: string) =>
      new RefusedMessage(`inline keyboard button URL '${url}' is invalid: ${why}`);
    if (!/^(https?|tg)$/i.test(protocol)) throw invalid('Unsupported URL protocol');
    if (!/^tg$/i.test(protocol) && !/[.[]/.test(host)) throw invalid('Wrong HTTP URL');
    return;
  }
  const bytes = Buffer.byteLength(callback_data ?? '');
  if (bytes < 1 || bytes > 64) throw new RefusedMessage('BUTTON_DATA_INVALID');
}
