import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { shopCustomers } from '../../support/dashboard-shop.ts';
import { untilLoaded } from '../../support/page-checks.ts';
import { addBalance } from '../../support/shop.ts';

// Updates of an open page: no test loads the page again.

/** A reload would remove the mark. */
const markPage = (page: Page) => page.evaluate('window.isSamePage = true');
const isSamePage = (page: Page) => page.evaluate('window.isSamePage === true');

describeDashboard(
  'live updates',
  (kit) => {
    test('a renewal appears on the page of its customer within seconds', async () => {
      const { due } = shopCustomers;
      const { database } = kit.dashboard.shop;
      await using tab = await kit.open(`/customers/${due}`);
      const { page } = tab;
      await untilLoaded(page);
      await page.locator('.live.live').waitFor();
      await markPage(page);
      const charge = page.locator('.moments', { hasText: 'Renewed' });
      expect(await charge.count()).toBe(0);
      await addBalance(database, due, 149_00n);
      await kit.dashboard.service.untilRun({ changed: 1 });
      await charge.waitFor();
      await expect.poll(() => page.locator('.figures').innerText()).toMatch(/RUB\s100\.00/);
      expect(await isSamePage(page)).toBe(true);
    });

    test('a tab that is hidden pauses, and is current after it is shown', async () => {
      await using tab = await kit.open('/quarantine');
      const { page } = tab;
      await untilLoaded(page);
      await page.locator('.live.live').waitFor();
      await setVisibility(page, 'hidden');
      await page.locator('.live.paused').waitFor();
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      // The visible tab shows that the service has sent the change.
      await using visible = await kit.open('/quarantine');
      await visible.page.locator('.live.live').waitFor();
      await addQuarantine(1, 'planted_first');
      await visible.page.getByText('planted_first').first().waitFor();
      expect(requests).toEqual([]);
      await setVisibility(page, 'visible');
      await page.getByText('planted_first').first().waitFor();
    });

    test('no row moves under the pointer, and the button shows the waiting rows', async () => {
      await addQuarantine(2, 'planted_second');
      await using tab = await kit.open('/quarantine');
      const { page } = tab;
      await page.getByText('planted_second').first().waitFor();
      await page.locator('.live.live').waitFor();
      const row = page.locator('tr', { hasText: 'planted_second' }).first();
      await row.hover();
      const before = await row.boundingBox();
      await addQuarantine(3, 'planted_third');
      await addQuarantine(4, 'planted_fourth');
      await page.locator('.news button').first().waitFor();
      expect(await row.boundingBox()).toEqual(before);
      const waiting = page.locator('tr', { hasText: 'planted_third' });
      expect(await waiting.count()).toBe(0);
      await page.locator('.news button').first().click();
      await expect.poll(() => page.locator('main').innerText()).toContain('planted_third');
      await expect.poll(() => page.locator('.table').innerText()).toContain('planted_third');
    });

    test('a service that was killed returns, and the page continues without a reload', async () => {
      await using tab = await kit.open('/quarantine');
      const { page } = tab;
      tab.allow(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/);
      await untilLoaded(page);
      await page.locator('.live.live').waitFor();
      await markPage(page);
      kit.dashboard.service.kill('SIGKILL');
      await page.locator('.live.connecting').waitFor();
      // The rows of before stay.
      expect(await page.getByText('planted_second').count()).toBeGreaterThan(0);
      await addQuarantine(5, 'planted_in_a_crash');
      await kit.dashboard.restart();
      await page.locator('.live.live').waitFor({ timeout: 30_000 });
      await page.getByText('planted_in_a_crash').first().waitFor();
      expect(await isSamePage(page)).toBe(true);
    }, 60_000);

    const addQuarantine = (item: number, reason: string) =>
      kit.dashboard.shop.database.query`
        INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
        SELECT 'auto-renewal', s.id::text, ${reason}, now() + interval '1 hour', now()
        FROM perennial.subscription s ORDER BY s.id OFFSET ${item} LIMIT 1`;
  },
  { customers: 20 },
);

/** Headless Chromium hides no tab, so the page sees another value. */
const setVisibility = (page: Page, state: 'hidden' | 'visible') =>
  page.evaluate(`
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${state}' });
    document.dispatchEvent(new Event('visibilitychange'))`);
