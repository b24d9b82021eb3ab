import { globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import { expect, test } from 'vitest';
import { adjustBalance } from '../../../src/subscription/commands/adjust.ts';
import { blockCustomer } from '../../../src/subscription/commands/block.ts';
import { createToken } from '../../../src/tokens/store.ts';
import { until } from '../../../testbed/until.ts';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { shopCustomers } from '../../support/dashboard-shop.ts';
import { untilLoaded } from '../../support/page-checks.ts';
import { root } from '../../support/repository.ts';
import { createCaller } from '../../support/shop.ts';

// Forged sessions, pages of other sites, hostile texts, and secrets that must not leave.

describeDashboard(
  'attacks',
  (kit) => {
    const sendCookie = async (cookie: string, path = '/v1/customers') => {
      const headers = { cookie, 'sec-fetch-site': 'same-origin' };
      return (await fetch(kit.dashboard.origin + path, { headers })).status;
    };
    const readCookie = async (context: BrowserContext) =>
      (await context.cookies()).map(({ value }) => value)[0] ?? '';

    test('a forged, changed, doubled or expired cookie is refused and logged', async () => {
      await using tab = await kit.open('/', { role: 'admin' });
      const cookie = await readCookie(tab.context);
      const name = '__Host-perennial';
      expect(await sendCookie(`${name}=${cookie}`)).toBe(200);
      const changed = cookie.slice(0, -1) + (cookie.endsWith('a') ? 'b' : 'a');
      expect(await sendCookie(`${name}=${changed}`)).toBe(401);
      expect(await sendCookie(`${name}=prs_AAAAAAAA${cookie.slice(12)}`)).toBe(401);
      expect(await sendCookie(`${name}=${await kit.dashboard.createLink()}`)).toBe(401);
      expect(await sendCookie(`${name}=${cookie}; ${name}=${cookie}`)).toBe(401);
      await kit.dashboard.service.untilLine('the refusal', ({ msg }) => msg === 'session refused');
      await kit.dashboard.shop.database.query`
      UPDATE perennial.operator_session
      SET created_at = created_at - interval '13 hours', expires_at = expires_at - interval '13 hours'
      WHERE id = ${cookie.slice(4, 12)}`;
      expect(await sendCookie(`${name}=${cookie}`)).toBe(401);
      await tab.page.reload();
      await tab.page.locator('.sign-in').waitFor();
    });

    test('a link that is used again is refused and logged with its id', async () => {
      const link = await kit.dashboard.createLink();
      const send = () =>
        fetch(`${kit.dashboard.origin}/ui/session`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
          body: JSON.stringify({ link }),
        });
      const answers = await Promise.all([send(), send(), send(), send()]);
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401]);
      const line = await kit.dashboard.service.untilLine(
        'the refusal',
        ({ msg, id }) => msg === 'link refused' && id === link.slice(4, 12),
      );
      expect(line).toMatchObject({ level: 'warn', code: 'link_used' });
    });

    // Another port of this host is the same site, so the browser sends the cookie.
    test.each([
      ['same site', '127.0.0.1', true],
      ['another site', 'localhost', false],
    ] as const)(
      'a page of %s can neither read nor change anything, nor show the dashboard in a frame',
      async (_, host, sendsCookie) => {
        await using foreign = await serveForeignPage(host);
        await using tab = await kit.open('/', { role: 'admin' });
        tab.allow(/./);
        const { page, context } = tab;
        const before = await countEntries();
        const evil = await context.newPage();
        await evil.goto(foreign.origin);
        const answers = await evil.evaluate<string[]>(attackScript(kit.dashboard.origin));
        expect(answers).toEqual(answers.map(() => 'blocked'));
        await evil.evaluate(formScript(`${kit.dashboard.origin}/v1/customers/101/top-ups`));
        await evil.waitForLoadState();
        expect(await evil.locator('body').innerText()).toMatch(
          /unauthorized|cross_site|bad_media_type/,
        );
        await evil.goto(`${foreign.origin}/frame?${kit.dashboard.origin}/ui/`);
        const frames = await Promise.all(
          evil
            .frames()
            .slice(1)
            .map((frame) => frame.content()),
        );
        expect(frames).toHaveLength(1);
        expect(frames.join()).not.toContain('id="app"');
        expect(await countEntries()).toBe(before);
        if (sendsCookie)
          await kit.dashboard.service.untilLine(
            'the refusal',
            ({ msg }) => msg === 'cross-site request refused',
          );
        // The session is still valid.
        await page.goto(`${kit.dashboard.origin}/ui/nodes`);
        await page.locator('#menu').waitFor();
      },
    );

    test('texts with markup are shown as text, and run nothing', async () => {
      await plantMarkup();
      await using tab = await kit.open('/', { role: 'admin', name: markup });
      const { page } = tab;
      const shownOn: string[] = [];
      for (const { id, path } of dashboardPages) {
        await page.goto(`${kit.dashboard.origin}/ui${path}`);
        await untilLoaded(page);
        // The button of the person has the name on each page.
        if ((await page.getByText(markup).count()) > 2) shownOn.push(id);
        expect(await page.evaluate('window.hacked'), id).toBeUndefined();
        expect(await page.locator('img[src="x"]').count(), id).toBe(0);
      }
      expect(shownOn).toEqual(
        expect.arrayContaining(['nodes', 'customers', 'messages', 'quarantine']),
      );
    }, 60_000);

    /** Texts of customers, providers, nodes, plans, gateways and operators. */
    async function plantMarkup(): Promise<void> {
      const { database } = kit.dashboard.shop;
      const { query } = database;
      const telegramId = shopCustomers.short;
      await adjustBalance(createCaller(database), { telegramId, amountMinor: 1n, reason: markup });
      await blockCustomer(createCaller(database), { telegramId, reason: markup });
      await query`UPDATE perennial.plan SET title = ${JSON.stringify({ en: markup, ru: markup })}`;
      await query`UPDATE perennial.node SET reconcile_error = ${markup}, link_error = ${markup}`;
      await query`UPDATE perennial.notification SET state = 'failed', reason = ${markup}
      WHERE id = (SELECT max(id) FROM perennial.notification)`;
      await query`UPDATE perennial.courier SET last_error = ${markup}`;
      await query`
      INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
      SELECT 'auto-renewal', min(id)::text, ${markup}, now() + interval '1 day', now()
      FROM perennial.subscription`;
    }

    test('no page, answer, script or line of the log has a secret', async () => {
      const { database } = kit.dashboard.shop;
      const { token } = await createToken(
        database.db,
        { name: 'bot', scopes: ['admin'], lastsMs: undefined },
        'test',
      );
      await fetch(`${kit.dashboard.origin}/v1/customers`, {
        headers: { authorization: `Bearer ${token}` },
      });
      await using tab = await kit.open('/', { role: 'read' });
      const { page, context } = tab;
      const cookie = await readCookie(context);
      const texts: string[] = [];
      page.on('response', async (response) => {
        if (!response.url().endsWith('/events')) texts.push(await response.text().catch(() => ''));
      });
      for (const { path } of dashboardPages) {
        await page.goto(`${kit.dashboard.origin}/ui${path}`);
        await untilLoaded(page);
        texts.push(await page.content());
      }
      for (const file of globSync('assets/*', { cwd: join(root, 'dashboard/dist') }))
        texts.push(readFileSync(join(root, 'dashboard/dist', file), 'utf8'));
      expect(texts.length).toBeGreaterThan(50);
      const rows = await database.query<{ secret: string }>`
      SELECT id::text AS secret FROM perennial.credential
      UNION SELECT sub_token FROM perennial.customer`;
      const password = new URL(database.url).password;
      const secrets = [...rows.map(({ secret }) => secret), token, cookie, password].filter(
        (text) => text !== '',
      );
      expect(secrets.length).toBeGreaterThan(20);
      const shown = texts.join('\n');
      const log = JSON.stringify(kit.dashboard.service.log);
      expect(log).toContain('signed in');
      expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
      expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
    }, 60_000);

    const countEntries = async () => {
      const [row] = await kit.dashboard.shop.database.query<{ count: bigint }>`
      SELECT count(*) FROM perennial.ledger_entry`;
      return row?.count;
    };
  },
  { customers: 20 },
);

const markup = '<img src=x onerror="hacked=1">';

/** Each attempt answers `blocked`, or what it read. */
const attackScript = (origin: string) => `Promise.all([
  ['GET', '/v1/customers'], ['GET', '/ui/session'], ['DELETE', '/ui/session'],
  ['POST', '/v1/customers/101/top-ups'],
].flatMap(([method, path]) => [{ mode: 'cors' }, { mode: 'no-cors' }].map(async ({ mode }) => {
  try {
    const answer = await fetch('${origin}' + path, { method, mode, credentials: 'include',
      ...(method === 'POST' && { body: '{"amount":"1"}', headers: { 'content-type': 'text/plain' } }) });
    return answer.type === 'opaque' ? 'blocked' : answer.text();
  } catch { return 'blocked'; }
})))`;

const formScript = (action: string) => `(() => {
  const form = document.createElement('form');
  Object.assign(form, { method: 'POST', action: '${action}', enctype: 'text/plain' });
  document.body.append(form);
  form.submit();
})()`;

async function serveForeignPage(host: string) {
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', 'text/html');
    const [, framed] = url?.split('/frame?') ?? [];
    response.end(framed === undefined ? '<p>hello</p>' : `<iframe src="${framed}"></iframe>`);
  });
  server.listen(0, host);
  await until('listening', () => server.listening);
  return {
    origin: `http://${host}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
