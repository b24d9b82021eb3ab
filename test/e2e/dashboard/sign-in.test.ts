import { expect, test } from 'vitest';
import { until } from '../../../testbed/until.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { startPerennial } from '../../support/perennial-process.ts';

const refused = 'p[role="alert"]';

describeDashboard(
  'sign-in with a browser',
  (kit) => {
    test('a link opens the overview, and no script, address or history has a secret', async () => {
      await using tab = await kit.openTab();
      tab.allow(/status of 401/);
      const { page, context } = tab;
      const link = await kit.dashboard.createLink('sell', 'Boris');
      await page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await page.locator('#menu').waitFor();
      expect(page.url()).toBe(`${kit.dashboard.origin}/ui/`);
      expect(await page.locator('.person').textContent()).toBe('Boris');
      const [cookie] = await context.cookies();
      expect(cookie).toMatchObject({
        name: '__Host-perennial',
        httpOnly: true,
        secure: true,
        sameSite: 'Strict',
        path: '/',
      });
      const hoursLeft = ((cookie?.expires ?? 0) * 1_000 - Date.now()) / 3_600_000;
      expect(hoursLeft).toBeGreaterThan(11.9);
      expect(hoursLeft).toBeLessThanOrEqual(12);
      const visible = 'document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })';
      expect(await page.evaluate(visible)).not.toContain(link);
      expect(await page.evaluate('document.cookie')).toBe('');
      await page.goBack();
      expect(page.url()).not.toContain('#');
    });

    test.for<[link: string, change: (link: string) => Promise<string>, text: string]>([
      ['a used link', useLink, 'was used'],
      ['an expired link', expireLink, 'expired'],
      ['a link with another last character', forgeLink, 'not valid'],
      ['a text that is no link', async () => 'Anna', 'not valid'],
    ])('%s is refused and opens no session', async ([, change, text]) => {
      const link = await change(await kit.dashboard.createLink());
      await using tab = await kit.openTab();
      tab.allow(/status of 401/);
      await tab.page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await expect.poll(() => tab.page.locator(refused).textContent()).toContain(text);
      expect(await tab.page.locator('#menu').count()).toBe(0);
      expect(await tab.context.cookies()).toEqual([]);
      // The next read of the page must not send the link again.
      expect(tab.page.url()).not.toContain('#');
    });

    async function useLink(link: string): Promise<string> {
      await using tab = await kit.openTab();
      tab.allow(/status of 401/);
      await tab.page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await tab.page.locator('#menu').waitFor();
      return link;
    }

    async function expireLink(link: string): Promise<string> {
      await kit.dashboard.shop.database.query`
      UPDATE perennial.operator_link
      SET created_at = created_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
      WHERE id = ${link.slice(4, 12)}`;
      return link;
    }

    async function forgeLink(link: string): Promise<string> {
      return link.slice(0, -1) + (link.endsWith('a') ? 'b' : 'a');
    }

    test('a link in a browser with a session waits for a decision', async () => {
      await using tab = await kit.open('/', { role: 'admin' });
      const { page } = tab;
      const before = await page.locator('.person').textContent();
      const link = await kit.dashboard.createLink('read', 'Boris');
      await page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await page.getByRole('button', { name: `Stay ${before}` }).click();
      expect(await page.locator('.person').textContent()).toBe(before);
      await page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await page.getByRole('button', { name: 'Use the new link' }).click();
      await expect.poll(() => page.locator('.person').textContent()).toBe('Boris');
    });

    test('a second link in the same tab is used', async () => {
      await using tab = await kit.openTab();
      tab.allow(/status of 401/);
      await tab.page.goto(`${kit.dashboard.origin}/ui/sign-in#Anna`);
      await expect.poll(() => tab.page.locator(refused).textContent()).toContain('not valid');
      const link = await kit.dashboard.createLink('read', 'Boris');
      await tab.page.goto(`${kit.dashboard.origin}/ui/sign-in#${link}`);
      await expect.poll(() => tab.page.locator('.person').textContent()).toBe('Boris');
    });

    test('a sign-out ends the session, and the old cookie is refused', async () => {
      await using tab = await kit.open('/customers');
      const { page, context } = tab;
      const cookies = await context.cookies();
      await page.locator('.person').click();
      await page.locator('#person').getByRole('button').click();
      await page.locator('.sign-in').waitFor();
      expect(await context.cookies()).toEqual([]);
      const header = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
      const headers = { cookie: header, 'sec-fetch-site': 'same-origin' };
      const answer = await fetch(`${kit.dashboard.origin}/v1/customers`, { headers });
      expect(answer.status).toBe(401);
    });

    test('`ui sign-out` ends an open page within seconds', async () => {
      await using tab = await kit.open('/nodes', { name: 'Carol' });
      const { url } = kit.dashboard.shop.database;
      const options = { url, extraConfig: kit.dashboard.config };
      const { code } = await startPerennial(['ui', 'sign-out', '--name', 'Carol'], options).exit;
      expect(code).toBe(0);
      await tab.page.locator('.sign-in').waitFor();
    });

    test('`ui link` prints a link that opens this dashboard', async () => {
      const { url } = kit.dashboard.shop.database;
      const options = { url, extraConfig: kit.dashboard.config };
      const { out } = await startPerennial(['ui', 'link', 'Dmitry', '--role', 'read'], options)
        .exit;
      const [link = ''] = out.split('\n');
      expect(link).toMatch(new RegExp(`^${kit.dashboard.origin}/ui/sign-in#`));
      await using tab = await kit.openTab();
      tab.allow(/status of 401/);
      await tab.page.goto(link);
      await until(
        'the name',
        async () => (await tab.page.locator('.person').textContent()) === 'Dmitry',
      );
    });
  },
  { customers: 20 },
);
