import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { instant, isoTime } from '../../../src/kernel/instant.ts';
import type { BrowserTab } from '../../support/browser.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { shopCustomers } from '../../support/dashboard-shop.ts';
import { untilLoaded } from '../../support/page-checks.ts';
import { createEndingSubscribers } from '../../support/shop.ts';

// The main path of each page, from the menu to the result in the database.

describeDashboard('golden paths', (kit) => {
  const query = <Row>(text: TemplateStringsArray, ...values: readonly unknown[]) =>
    kit.dashboard.shop.database.query<Row>(text, ...values);

  const openLoaded = async (path: string): Promise<BrowserTab> => {
    const tab = await kit.open(path);
    await untilLoaded(tab.page);
    return tab;
  };

  test('overview: a node that is down is first, and each figure leads to a page with rows', async () => {
    await using tab = await openLoaded('/');
    const { page } = tab;
    const first = page.locator('.problems li').first();
    expect(await first.innerText()).toMatch(/Node fi-1 is down\..* wait for access: \d+/);
    const links = await page.evaluate<string[]>(figureLinks);
    expect(links.length).toBeGreaterThan(7);
    for (const link of links) {
      await page.goto(kit.dashboard.origin + link);
      await untilLoaded(page);
      expect(await page.locator('.state.error').count(), link).toBe(0);
    }
    await page.goto(`${kit.dashboard.origin}/ui/`);
    await page.locator('.problems li a').first().click();
    await page.getByRole('heading', { level: 1, name: 'Nodes' }).waitFor();
  });

  test('forecast: a day leads to its customers, and another price changes the totals', async () => {
    await using tab = await openLoaded('/forecast');
    const { page } = tab;
    await page.locator('canvas').waitFor();
    await page.locator('details.by-day summary').click();
    await page.locator('details.by-day tbody button').first().click();
    await page.locator('#forecast-day').waitFor();
    await untilLoaded(page);
    expect(page.url()).toContain('day=');
    expect(
      await page.locator('section[aria-labelledby="forecast-day"] tbody tr').count(),
    ).toBeGreaterThan(0);
    await page.getByLabel('New price').fill('1');
    await page.getByRole('button', { name: 'Calculate with this price' }).click();
    await page.locator('table.difference').waitFor();
    await untilLoaded(page);
    const cells = await page
      .locator('table.difference tr', { hasText: 'Charges' })
      .locator('td')
      .allInnerTexts();
    expect(cells).toHaveLength(2);
    expect(cells[0]).not.toBe(cells[1]);
  });

  test('customers: filter, order, page and lookup are in the address, and Back returns', async () => {
    await using tab = await openLoaded('/customers');
    const { page } = tab;
    await page.getByLabel('State').selectOption('active');
    await expect.poll(() => page.url()).toContain('state=active');
    await untilLoaded(page);
    const firstRow = page.locator('tbody tr').first();
    const before = await firstRow.innerText();
    await page.getByRole('button', { name: 'Next page' }).click();
    await expect.poll(() => page.url()).toContain('cursor=');
    await untilLoaded(page);
    expect(await firstRow.innerText()).not.toBe(before);
    await page.reload();
    await untilLoaded(page);
    expect(await firstRow.innerText()).not.toBe(before);
    await page.goBack();
    await expect.poll(() => firstRow.innerText()).toBe(before);
    await page.locator('.lookup input').fill(String(shopCustomers.short));
    await page.locator('.lookup input').press('Enter');
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page
      .locator(`a[href="/ui/customers/${shopCustomers.short}"]`)
      .or(page.getByText(String(shopCustomers.short)))
      .first()
      .waitFor();
  });

  test('customers: the CSV has the rows of the filter', async () => {
    await using tab = await openLoaded('/customers?state=active');
    const { page } = tab;
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('a.csv').click(),
    ]);
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
    const lines = Buffer.concat(chunks).toString().trim().split('\n');
    expect(lines[0]).toContain('telegram_id');
    expect(lines.length).toBeGreaterThan(50);
  });

  test('customer: the next charge has its reason, and a top-up shows the difference first', async () => {
    const { short } = shopCustomers;
    await using tab = await openLoaded(`/customers/${short}`);
    const { page } = tab;
    const head = page.locator('.customer-head');
    expect(await head.innerText()).toMatch(/RUB\s289\.00 are missing\. Without a payment/);
    await page.locator('.customer-head + .actions').getByRole('button', { name: 'Top up' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Amount, RUB').fill('300');
    const balance = dialog.locator('table.difference tr', { hasText: 'Balance' }).locator('td');
    await balance.first().waitFor();
    // The next charge follows below.
    const amounts = (await balance.allInnerTexts()).slice(0, 2);
    expect(amounts.map((text) => text.replace(/\s/, ' '))).toEqual(['RUB 10.00', 'RUB 310.00']);
    await confirm(page);
    await expect.poll(() => head.innerText()).toMatch(/The balance covers it/);
    await page.mouse.move(0, 0);
    await expect.poll(() => page.locator('.moments').last().innerText()).toContain('ui:Anna/');
    await page.getByRole('link', { name: 'Links and QR codes' }).click();
    await page.locator('svg[role="img"], .link-content svg').first().waitFor();
    expect(await page.locator('details.link').count()).toBeGreaterThan(1);
  });

  test('customer: a period is refunded after its difference, and the author is in the timeline', async () => {
    const { wealthy } = shopCustomers;
    await using tab = await openLoaded(`/customers/${wealthy}?view=subscriptions`);
    const { page } = tab;
    await page.locator('details summary', { hasText: 'period' }).first().click();
    await page
      .getByRole('button', { name: /^Refund/ })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('table.difference').waitFor();
    await confirm(page);
    await expect
      .poll(
        async () =>
          (
            await query`
        SELECT FROM perennial.event WHERE action = 'refunded' AND actor LIKE 'ui:Anna/%'`
          ).length,
      )
      .toBe(1);
  });

  test('subscriptions: a bulk job gives days to the customers of a filter', async () => {
    await using tab = await openLoaded('/subscriptions?kind=trial&state=active');
    const { page } = tab;
    const wanted = await page.locator('tbody tr').count();
    expect(wanted).toBeGreaterThan(3);
    await page.getByRole('button', { name: 'Give days…' }).click();
    await page.getByRole('dialog').getByLabel('Days').fill('2');
    const start = page.getByRole('dialog').locator('button[type="submit"]');
    await expect.poll(() => start.isEnabled()).toBe(true);
    await start.click();
    await page.getByRole('heading', { level: 1, name: 'Bulk jobs' }).waitFor();
    await expect
      .poll(
        async () =>
          (await query<{ state: string }>`SELECT state FROM perennial.bulk_job`)[0]?.state,
        { timeout: 30_000 },
      )
      .toBe('done');
    const [job] = await query<{
      done: bigint;
      actor: string;
    }>`SELECT done, actor FROM perennial.bulk_job`;
    expect(Number(job?.done)).toBeGreaterThan(3);
    expect(job?.actor).toMatch(/^ui:Anna\//);
  }, 60_000);

  test('nodes: two nodes are up with all users, and one is down with its error', async () => {
    await using tab = await openLoaded('/nodes');
    const row = (id: string) => tab.page.locator('tbody tr', { hasText: id });
    await expect.poll(() => row('nl-1').innerText(), { timeout: 30_000 }).toContain('up');
    await expect.poll(() => row('de-1').innerText()).toContain('up');
    expect(await row('fi-1').innerText()).toContain('down');
    expect(await row('fi-1').innerText()).toContain('no connection');
  });

  test('messages: a message is sent again after a confirmation', async () => {
    await using tab = await openLoaded('/messages?kind=receipt');
    const { page } = tab;
    const row = page.locator('tbody tr', { hasText: 'sent' }).first();
    await row.waitFor();
    const id = (await row.locator('td').first().innerText()).trim();
    await row.getByRole('button', { name: 'Send again' }).click();
    await confirm(page);
    await expect
      .poll(
        async () =>
          (
            await query`SELECT FROM perennial.event WHERE actor LIKE 'ui:Anna/%' AND action LIKE '%resent%'`
          ).length,
      )
      .toBeGreaterThan(0);
    expect(Number(id)).toBeGreaterThan(0);
  });

  test('runs: a worker runs at once, and its run has details', async () => {
    await using tab = await openLoaded('/runs');
    const { page } = tab;
    await page.getByRole('button', { name: 'Run now: auto-renewal' }).click();
    await confirm(page);
    await page.locator('.toasts p').waitFor();
    // A run without work leaves no record.
    await page.locator('tbody tr', { hasText: 'success' }).locator('a').first().click();
    await page.getByRole('heading', { level: 1, name: /^Run \d+$/ }).waitFor();
    await untilLoaded(page);
    expect(await page.locator('.state.error').count()).toBe(0);
  });

  test('quarantine: an item is dismissed with a reason, and the timeline has the author', async () => {
    await query`
      INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
      SELECT 'auto-renewal', min(id)::text, 'no_price', now() + interval '1 day', now() FROM perennial.subscription`;
    await using tab = await openLoaded('/quarantine');
    const { page } = tab;
    await page
      .getByRole('button', { name: /^Dismiss/ })
      .first()
      .click();
    await page.getByRole('dialog').getByLabel('Reason').fill('the price is set now');
    await confirm(page);
    await expect.poll(async () => (await query`SELECT FROM perennial.quarantine`).length).toBe(0);
    const [event] = await query<{ actor: string }>`
      SELECT actor FROM perennial.event WHERE action = 'quarantine_dismissed'`;
    expect(event?.actor).toMatch(/^ui:Anna\//);
    await page.mouse.move(0, 0);
    await page.getByText('No item is in quarantine.').waitFor();
  });

  test('report: the month has its charges, and its ledger downloads', async () => {
    await using tab = await openLoaded('/report');
    const { page } = tab;
    const charged = await page.locator('.figure', { hasText: 'Charged' }).first().innerText();
    expect(charged).toMatch(/[1-9]/);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'All entries of the ledger as CSV' }).click(),
    ]);
    expect(await download.failure()).toBeNull();
  });

  test('audit: it runs, and no check has a violation', async () => {
    await using tab = await openLoaded('/audit');
    const { page } = tab;
    await page.getByRole('button', { name: 'Check everything now' }).click();
    await page.getByText('No violation').first().waitFor({ timeout: 60_000 });
    await untilLoaded(page);
    await page.goto(`${kit.dashboard.origin}/ui/`);
    await untilLoaded(page);
    await page.getByText(/audit/i).first().waitFor();
  }, 90_000);
});

describeDashboard(
  'a guard',
  (kit) => {
    test('overview: the button of a guard confirms the held ends', async () => {
      await createEndingSubscribers(kit.dashboard.shop.database, 60, isoTime(instant(Date.now())));
      await using tab = await kit.open('/');
      const { page } = tab;
      const problem = page.locator('.problems li', { hasText: 'fast-expiry-cleanup' }).first();
      await problem.waitFor({ timeout: 40_000 });
      expect(await problem.innerText()).toMatch(/holds \d+ ends/);
      await problem.getByRole('button').click();
      await confirm(page);
      await expect.poll(countRunningEnders, { timeout: 30_000 }).toBe(0);
      await problem.waitFor({ state: 'detached', timeout: 30_000 });
    }, 90_000);

    const countRunningEnders = async () => {
      const [row] = await kit.dashboard.shop.database.query<{ count: bigint }>`
      SELECT count(*) FROM perennial.subscription
      WHERE state = 'active'`;
      return Number(row?.count);
    };
  },
  { isEmpty: true },
);

const figureLinks = `[...document.querySelectorAll('a.figure')].map((link) => link.getAttribute('href'))`;

/** Presses the button that acts in the open dialog, and waits for its end. */
async function confirm(page: Page): Promise<void> {
  const dialog = page.getByRole('dialog');
  await dialog.locator('button[type="submit"]').click();
  await dialog.waitFor({ state: 'detached' });
}
