import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { findAxeViolations, findOverflow, untilLoaded } from '../../support/page-checks.ts';

const languages = ['en', 'ru'] as const;
const themes = ['light', 'dark'] as const;

describeDashboard(
  'every page',
  (kit) => {
    test('the list of pages is that of the issue', () => {
      expect(dashboardPages.map(({ id }) => id)).toEqual(
        expect.arrayContaining([
          'overview',
          'forecast',
          'customers',
          'customer',
          'subscriptions',
          'nodes',
          'messages',
          'runs',
          'quarantine',
          'report',
          'audit',
        ]),
      );
    });

    test.each(languages)(
      'in "%s" axe finds no violation in both themes',
      async (language) => {
        await using tab = await kit.open('/', { language });
        const found: string[] = [];
        for (const { id, path } of dashboardPages) {
          await tab.page.goto(`${kit.dashboard.origin}/ui${path}`);
          await untilLoaded(tab.page);
          for (const colorScheme of themes) {
            await tab.page.emulateMedia({ colorScheme });
            const violations = await findAxeViolations(tab.page);
            found.push(...violations.map((text) => `${id}, ${colorScheme}: ${text}`));
          }
        }
        expect(found).toEqual([]);
      },
      180_000,
    );

    test.each(languages)(
      'in "%s" no page scrolls sideways with 360 px',
      async (language) => {
        await using tab = await kit.open('/', { language, width: 360, height: 740 });
        const found: string[] = [];
        for (const { id, path } of dashboardPages) {
          await tab.page.goto(`${kit.dashboard.origin}/ui${path}`);
          await untilLoaded(tab.page);
          const wide = await findOverflow(tab.page);
          found.push(...wide.map((html) => `${id}: ${html}`));
        }
        expect(found).toEqual([]);
      },
      120_000,
    );

    test('with 360 px the menu opens by its button and leads to a page', async () => {
      await using tab = await kit.open('/', { width: 360, height: 740 });
      const { page } = tab;
      expect(await page.locator('#menu').isVisible()).toBe(false);
      await page.locator('.menu-button').click();
      await page.locator('#menu').getByRole('link', { name: 'Nodes' }).click();
      await page.getByRole('heading', { level: 1, name: 'Nodes' }).waitFor();
      expect(await page.locator('#menu').isVisible()).toBe(false);
    });

    test.each(languages)(
      'in "%s" each page has one heading, a title and no untranslated text',
      async (language) => {
        await using tab = await kit.open('/', { language });
        const titles = new Set<string>();
        for (const { path } of dashboardPages) {
          await tab.page.goto(`${kit.dashboard.origin}/ui${path}`);
          await untilLoaded(tab.page);
          expect(await tab.page.locator('h1').count(), path).toBe(1);
          titles.add(await tab.page.title());
          expect(await findMessageIds(tab.page), path).toEqual([]);
        }
        expect(titles.size).toBe(dashboardPages.length);
      },
      120_000,
    );
  },
  {},
);

const prefixes = new RegExp(
  `\\b(?:${dashboardPages.map(({ id }) => id).join('|')})-[a-z]+(?:-[a-z]+)*\\b`,
  'g',
);

/** Fluent shows the id of a message that is missing. */
async function findMessageIds(page: Page): Promise<string[]> {
  return (await page.locator('body').innerText()).match(prefixes) ?? [];
}
