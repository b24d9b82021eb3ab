import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findRefusal } from '../../../testbed/bot-api/message-checks.ts';
import { checkHtml, isPageUrl, toPlainText } from './html.ts';

// Telegram's treatment of HTML, as the Bot API of the tests implements it: independent of the
// check.

const telegram = (text: string, buttons: readonly object[] = []) =>
  findRefusal({
    ...{ text, parse_mode: 'HTML' },
    ...(buttons.length > 0 ? { reply_markup: { inline_keyboard: [buttons] } } : {}),
  });

test.each([
  '<b>a</b> <strong>a</strong> <i>a</i> <em>a</em> <u>a</u> <ins>a</ins> <s>a</s> <del>a</del>',
  '<span class="tg-spoiler">a</span> <tg-spoiler>a</tg-spoiler>',
  '<a href="https://example.com/?a=1&amp;b=2">a</a> <a href="tg://user?id=1">a</a>',
  '<pre><code class="language-sh">a</code></pre>',
  '<blockquote expandable>a</blockquote> <blockquote>a</blockquote>',
  "<tg-emoji emoji-id='5368324170671202286'>a</tg-emoji>",
  '<B>a</B> <b class=x>a</b > &lt;b&gt; &amp; &quot; &#1071; &#x42f; & &; AT&T',
  'a<b></b>',
])('%s: accepted', (html) => {
  expect(checkHtml(html)).toBeUndefined();
  expect(telegram(html)).toBeUndefined();
});

test.each([
  '<b>a',
  'a</b>',
  '<b><i>a</b></i>',
  '<h1>a</h1>',
  '<br>',
  'a<br/>b',
  '<p>a</p>',
  '1 < 2',
  'a <b',
  '<span>a</span>',
  '<span class="red">a</span>',
  '<a href=https://example.com>a</a>',
  '<tg-emoji emoji-id="x">a</tg-emoji>',
  '<b "x">a</b>',
  '<b/>a',
])('%s: refused', (html) => {
  expect(checkHtml(html)).toBeDefined();
  expect(telegram(html)).toMatch(/^Bad Request: can't parse entities/);
});

test.each(['<a>a</a>', '<a href="">a</a>', '<a href="http://localhost/">a</a>', 'a&nbsp;b'])(
  '%s: accepted, and displayed as not intended',
  (html) => {
    expect(checkHtml(html)).toBeDefined();
    expect(telegram(html)).toBeUndefined();
  },
);

test('a message that displays nothing or too much is refused', () => {
  for (const html of ['', ' ', '<b></b>', '<b> </b>']) {
    expect(toPlainText(html).trim()).toBe('');
    expect(telegram(html)).toBe('Bad Request: message text is empty');
  }
  const most = `<b>${'&amp;'.repeat(4_096)}</b>`;
  expect(toPlainText(most)).toHaveLength(4_096);
  expect(telegram(most)).toBeUndefined();
  expect(telegram(`${most}&lt;`)).toBe('Bad Request: message is too long');
});

describe('a page that a button opens', () => {
  test.each([
    ['https://example.com/pay?s=1', true],
    ['http://10.0.0.1:8080/', true],
    ['https://[2001:db8::1]/', true],
    ['tg://resolve?domain=shop_bot', true],
    ['http://localhost:8080/', false],
    ['http://grafana/', false],
    ['ftp://example.com/', false],
    ['happ://add/https://example.com', false],
  ])('%s: %s', (url, taken) => {
    expect(isPageUrl(url)).toBe(taken);
    expect(telegram('a', [{ text: 'a', url }]) === undefined).toBe(taken);
  });

  test('a button has a label, and its data have 1 to 64 bytes', () => {
    const data = (bytes: number) => [{ text: 'a', callback_data: 'x'.repeat(bytes) }];
    expect(telegram('a', [{ text: ' ', callback_data: 'x' }])).toMatch(/must be non-empty/);
    expect([0, 1, 64, 65].map((bytes) => telegram('a', data(bytes)) === undefined)).toEqual([
      ...[false, true, true, false],
    ]);
  });
});

test('Telegram accepts everything that passes the check, and reads it as we do', () => {
  const bits = ['<', '>', '</', '/', '"', "'", '=', ' ', 'a', '&', ';', '#', 'x', '9', 'lt', 'amp'];
  const tags = ['<b>', '</b>', '<i>', '</i>', '<a href="https://a.b">', '</a>', '<pre>', '</pre>'];
  const more = ['<span class="tg-spoiler">', '</span>', 'class', 'href', 'expandable', '\n', 'Я'];
  const html = fc
    .array(fc.constantFrom(...bits, ...tags, ...more), { maxLength: 12 })
    .map((parts) => parts.join(''));
  const property = fc.property(html, (text) => {
    const given = `.${text}`;
    if (checkHtml(given) !== undefined) return;
    expect(telegram(given)).toBeUndefined();
  });
  fc.assert(property, { numRuns: 3_000 });
});
