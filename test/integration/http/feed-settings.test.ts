import { expect, test } from 'vitest';
import { startApi } from '../../support/api.ts';
import { applyFile } from '../../support/command-line.ts';
import type { TestDatabase } from '../../support/database.ts';
import { createSubscriber } from '../../support/shop.ts';

// `feed:` of a configuration, from the file through `apply` to the answer of a subscription URL.

const applyFeed = (database: TestDatabase, feed: string) => applyFile(database, `feed:\n${feed}\n`);

const decodeHeader = (header: string | null) =>
  Buffer.from((header ?? '').replace(/^base64:/, ''), 'base64').toString();

test('settings of the file reach each header and the entry after the end, in the language of the customer', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 0n);
  await database.pool.query(
    "UPDATE perennial.customer SET locale = 'ru', sub_token = 'abcdefghijklmnopqr'",
  );
  await database.pool.query("UPDATE perennial.subscription SET state = 'expired'");
  await applyFeed(
    database,
    `  title: { en: Acme, ru: "Акме <b>" }
  announce: { en: "Works at 3:00 🛠" }
  pay: { en: our bot, ru: "бот @acme" }
  support_url: https://t.me/acme
  web_page_url: "https://пример.рф/кабинет?a=\\"<b>"
  update: 6h`,
  );
  for (const slash of ['', '/']) {
    const { status, headers, text } = await send('GET', `/sub/abcdefghijklmnopqr${slash}`, {
      token: '',
    });
    expect(status).toBe(200);
    expect(decodeHeader(headers.get('profile-title'))).toBe('Акме <b>');
    expect(decodeHeader(headers.get('announce'))).toBe('Works at 3:00 🛠');
    expect(headers.get('support-url')).toBe('https://t.me/acme');
    expect(headers.get('profile-web-page-url')).toBe(
      'https://xn--e1afmkfd.xn--p1ai/%D0%BA%D0%B0%D0%B1%D0%B8%D0%BD%D0%B5%D1%82?a=%22%3Cb%3E',
    );
    expect(headers.get('profile-update-interval')).toBe('6');
    const [entry = '', ...more] = Buffer.from(text, 'base64').toString().split('\n');
    expect(more).toEqual([]);
    expect(decodeURIComponent(new URL(entry).hash)).toMatch(
      /^#Подписка закончилась .*: бот @acme$/,
    );
  }
});

test.each([
  ['a header after a line end', 'support_url: "https://t.me/a\\r\\nx-a: b"', /is not a URL/],
  ['another scheme', 'web_page_url: "javascript:alert(1)"', /is not a URL/],
  ['a URL beyond a header', `support_url: https://a.net/${'x'.repeat(600)}`, /at most 500/],
  ['a URL that grows in ASCII', `web_page_url: https://a.net/${'ж'.repeat(200)}`, /at most 500/],
  ['a line end in the title', 'title: "a\\nb"', /line break/],
  ['a NUL in the announcement', 'announce: "a\\0b"', /line break/],
  ['a title beyond its length', `title: ${'x'.repeat(65)}`, /at most 64/],
  ['an announcement beyond its length', `announce: ${'x'.repeat(201)}`, /at most 200/],
  ['an interval of half an hour', 'update: 30m', /whole number of hours/],
  ['an unknown key', 'suport_url: https://t.me/a', /there is no key "suport_url"/],
])('%s is refused by apply', async (_, line, reason) => {
  const { database } = await startApi();
  await expect(applyFeed(database, `  ${line}`)).rejects.toMatchObject({
    message: expect.stringMatching(reason),
  });
  const { rows } = await database.pool.query("SELECT FROM perennial.setting WHERE key = 'feed'");
  expect(rows).toEqual([]);
});
