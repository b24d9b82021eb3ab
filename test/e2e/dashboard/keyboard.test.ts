import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { shopCustomers } from '../../support/dashboard-shop.ts';
import { untilLoaded } from '../../support/page-checks.ts';

// The pages without a pointer.

/** Presses Tab until an element has the focus. */
async function tabTo(page: Page, selector: string, pressMax = 60): Promise<void> {
  for (let pressed = 0; pressed < pressMax; pressed += 1) {
    await page.keyboard.press('Tab');
    const isThere = await page.evaluate(
      `document.activeElement.matches(${JSON.stringify(selector)})`,
    );
    if (isThere === true) return;
  }
  throw new Error(`${pressMax} times Tab did not reach ${selector}`);
}

/** The focus must be visible: its element has an outline. */
const readOutline = (page: Page) =>
  page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle');

describeDashboard(
  'the keyboard',
  (kit) => {
    test('the first stop skips the menu, and the next page has the focus', async () => {
      await using tab = await kit.open('/');
      const { page } = tab;
      await untilLoaded(page);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.className')).toBe('skip');
      expect(await readOutline(page)).toBe('solid');
      await page.keyboard.press('Enter');
      await tabTo(page, 'main a, main button, main input, main section');
      await page.reload();
      await untilLoaded(page);
      await tabTo(page, '#menu a[href="/ui/nodes"]');
      expect(await readOutline(page)).toBe('solid');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { level: 1, name: 'Nodes' }).waitFor();
      expect(await page.evaluate('document.activeElement.id')).toBe('main');
    });

    test('the person menu changes the language and the theme, and Escape closes it', async () => {
      await using tab = await kit.open('/');
      const { page } = tab;
      await untilLoaded(page);
      await tabTo(page, '.person');
      await page.keyboard.press('Enter');
      await page.locator('#person').waitFor();
      await tabTo(page, '#person select');
      await page.keyboard.press('ArrowDown');
      await page.getByRole('heading', { level: 1, name: 'Обзор' }).waitFor();
      await tabTo(page, '#person select');
      await page.keyboard.press('End');
      await expect.poll(() => page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
      await page.keyboard.press('Escape');
      await page.locator('#person').waitFor({ state: 'hidden' });
    });

    test('a top-up needs no pointer, from the lookup to its confirmation', async () => {
      await using tab = await kit.open('/');
      const { page } = tab;
      await untilLoaded(page);
      await tabTo(page, '.lookup input');
      await page.keyboard.type(String(shopCustomers.short));
      await page.keyboard.press('Enter');
      await tabTo(page, `a[href="/ui/customers/${shopCustomers.short}"]`);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { level: 1, name: /^Customer / }).waitFor();
      await untilLoaded(page);
      await tabTo(page, 'main .actions button');
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Top up');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Top up');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      // The first field has the focus.
      await page.keyboard.type('1.50');
      await page.locator('table.difference').waitFor();
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page
        .getByText(/RUB\s11\.50/)
        .first()
        .waitFor();
    });
  },
  { customers: 20 },
);
