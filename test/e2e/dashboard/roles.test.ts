import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import type { Route } from '../../../src/http/route.ts';
import { routes } from '../../../src/http/routes/index.ts';
import { hasScope } from '../../../src/tokens/token.ts';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { shopCustomers } from '../../support/dashboard-shop.ts';
import { untilLoaded } from '../../support/page-checks.ts';

// Each role sees and does only what belongs to it. The routes are called by hand, with the cookie
// of the page.

describeDashboard(
  'roles',
  (kit) => {
    test.each(['read', 'sell'] as const)(
      'a session with the role "%s" is refused by each route of another scope, and changes nothing',
      async (role) => {
        const foreign = routes.filter(({ scope }) => !hasScope([role], scope));
        expect(foreign.length).toBeGreaterThan(5);
        await using tab = await kit.open('/', { role });
        tab.allow(/status of 403/);
        const before = await countChanges();
        for (const route of foreign) {
          const { status, type } = await callRoute(tab.page, route);
          expect({ route: route.id, status, type }).toEqual({
            route: route.id,
            status: 403,
            type: 'urn:perennial:problem:forbidden',
          });
        }
        expect(await countChanges()).toEqual(before);
        await kit.dashboard.service.untilLine('the refusal', ({ msg }) => msg === 'role refused');
      },
    );

    test.each(['read', 'sell', 'admin'] as const)(
      'a session with the role "%s" may call each read of its scope',
      async (role) => {
        const reads = routes.filter(
          ({ method, scope }) => method === 'GET' && hasScope([role], scope),
        );
        await using tab = await kit.open('/', { role });
        // Examples of parameters name nothing that exists.
        tab.allow(/status of (400|404|422)/);
        for (const route of reads) {
          const { status } = await callRoute(tab.page, route);
          expect([401, 403, 500, 503], `${route.id}: ${status}`).not.toContain(status);
        }
      },
    );

    test.each([
      ['read', []],
      ['sell', ['Top up']],
      ['admin', ['Top up', 'VIP and discount', 'Correct the balance', 'Block']],
    ] as const)(
      'the page of a customer shows the role "%s" the actions %j',
      async (role, names) => {
        await using tab = await kit.open(`/customers/${shopCustomers.wealthy}`, { role });
        const { page } = tab;
        await untilLoaded(page);
        const actions = page.locator('main .customer-head + .actions button');
        expect(await actions.allInnerTexts()).toEqual(names);
        const hasLinks = role !== 'read';
        expect(await page.getByRole('link', { name: 'Links and QR codes' }).count()).toBe(
          hasLinks ? 1 : 0,
        );
        await page.goto(`${kit.dashboard.origin}/ui/customers/${shopCustomers.wealthy}?view=links`);
        await untilLoaded(page);
        expect((await page.locator('code', { hasText: /vless:|\/sub\// }).count()) > 0).toBe(
          hasLinks,
        );
      },
    );

    test.each(['read', 'sell'] as const)(
      'no page shows the role "%s" an error or a button that it may not use',
      async (role) => {
        await using tab = await kit.open('/', { role });
        for (const { id, path } of dashboardPages) {
          await tab.page.goto(`${kit.dashboard.origin}/ui${path}`);
          await untilLoaded(tab.page);
          expect(await tab.page.locator('[role="alert"]').count(), id).toBe(0);
          for (const name of adminButtons)
            expect(await tab.page.getByRole('button', { name }).count(), `${id}: ${name}`).toBe(0);
        }
      },
    );

    async function countChanges() {
      return kit.dashboard.shop.database.query`
        SELECT (SELECT count(*) FROM perennial.ledger_entry) AS entries,
          (SELECT count(*) FROM perennial.customer) AS customers,
          (SELECT count(*) FROM perennial.idempotency) AS keys,
          (SELECT count(*) FROM perennial.bulk_job) AS jobs`;
    }
  },
  { customers: 20 },
);

/** Of routes with the scope `admin`. */
const adminButtons = [
  /^Run now/,
  /^Retry/,
  /^Dismiss/,
  /^Send again/,
  /^Refund/,
  /^Block$/,
  /^Give days/,
  /^Give free days/,
  /^Check everything/,
  /^Correct/,
  /^Revoke/,
];

interface RouteAnswer {
  readonly status: number;
  readonly type: string | undefined;
}

/** Sends a request with the cookie of the page. Parameters have a value that fits most of them. */
function callRoute(page: Page, { method, path }: Route): Promise<RouteAnswer> {
  const target = path.replaceAll(/\{[^}]+\}/g, '101');
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'by-hand' };
  const init = method === 'GET' ? { method } : { method, headers, body: '{}' };
  return page.evaluate(
    `fetch(${JSON.stringify(target)}, ${JSON.stringify(init)}).then(async (answer) => ({
      status: answer.status,
      type: (await answer.json().catch(() => ({}))).type,
    }))`,
  );
}
