import { expect, test } from 'vitest';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { findAxeViolations, untilLoaded } from '../../support/page-checks.ts';

// Pages that load, that fail, and that have no rows.

/** Pages without a read: they wait for a person. */
const pagesWithoutRead = ['audit'];
const reading = dashboardPages.filter(({ id }) => !pagesWithoutRead.includes(id));

describeDashboard(
  'states of a page',
  (kit) => {
    test('while the service is slow, each page says that it loads', async () => {
      await using tab = await kit.open('/');
      const { page } = tab;
      for (const { path } of reading) {
        const { promise, resolve } = Promise.withResolvers<void>();
        await page.route('**/v1/**', async (route) => {
          await promise;
          await route.continue();
        });
        await page.goto(`${kit.dashboard.origin}/ui${path}`);
        await page.locator('main h1').waitFor();
        await page.locator('main .spinner').first().waitFor();
        resolve();
        await untilLoaded(page);
        await page.unrouteAll({ behavior: 'wait' });
      }
    }, 60_000);

    test.each([
      ['does not answer', 'The service does not answer', 'abort'],
      ['answers that it is busy', 'The database does not answer', 'fulfill'],
    ] as const)(
      'if the service %s, each page shows the reason and a button that repeats the read',
      async (_, text, action) => {
        await using tab = await kit.open('/');
        const { page } = tab;
        tab.allow(/ERR_FAILED|status of 503/);
        const problem = { type: 'urn:perennial:problem:unavailable', status: 503 };
        for (const { path } of reading) {
          await page.route('**/v1/**', (route) =>
            action === 'abort' ? route.abort() : route.fulfill({ status: 503, json: problem }),
          );
          await page.goto(`${kit.dashboard.origin}/ui${path}`);
          // The page repeats a read twice before it shows the fault.
          await page.locator('main [role="alert"]', { hasText: text }).first().waitFor();
          await page.unrouteAll({ behavior: 'wait' });
          await page.locator('main [role="alert"] button').first().click();
          await untilLoaded(page);
        }
        expect(await findAxeViolations(page)).toEqual([]);
      },
      180_000,
    );

    test('an unknown address shows a page that says so', async () => {
      await using tab = await kit.open('/nowhere');
      await tab.page.getByText('This page does not exist.').waitFor();
    });
  },
  { customers: 20 },
);

describeDashboard(
  'a shop without customers',
  (kit) => {
    test('each page states that it has nothing to show', async () => {
      await using tab = await kit.open('/');
      const { page } = tab;
      for (const { id, path } of dashboardPages.filter((each) => each.id !== 'customer')) {
        await page.goto(`${kit.dashboard.origin}/ui${path}`);
        await untilLoaded(page);
        expect(await page.locator('[role="alert"]').count(), id).toBe(0);
        expect(await page.locator('main').innerText(), id).not.toMatch(/undefined|NaN|Invalid/);
      }
    }, 60_000);
  },
  { isEmpty: true },
);
