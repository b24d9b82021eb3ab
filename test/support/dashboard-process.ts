import { afterAll, beforeAll, describe } from 'vitest';
import type { OperatorRole } from '../../src/db/schema-operators.ts';
import { freePort } from '../../testbed/real-xray.ts';
import {
  type Browser,
  type BrowserTab,
  hasChromium,
  openBrowser,
  openTab,
  type TabOptions,
} from './browser.ts';
import { createLink } from './dashboard.ts';
import {
  createDashboardShop,
  type DashboardShop,
  type DashboardShopOptions,
} from './dashboard-shop.ts';
import { type PerennialProcess, startPerennial } from './perennial-process.ts';

// A real service with the dashboard on a shop, and operators who sign in with a browser.

export interface RunningDashboard extends AsyncDisposable {
  readonly shop: DashboardShop;
  readonly origin: string;
  /** The lines of `perennial.yaml` that a command needs to reach this service. */
  readonly config: string;
  /** The present process of the service. */
  readonly service: PerennialProcess;
  /** The secret of a new link. */
  createLink(role?: OperatorRole, name?: string): Promise<string>;
  /** Starts the service again on the same port, after a test ended it. */
  restart(): Promise<void>;
}

async function startDashboard(options: DashboardShopOptions): Promise<RunningDashboard> {
  const shop = await createDashboardShop(options);
  const { database } = shop;
  const port = await freePort();
  const config = `http: { port: ${port}, per_minute_without_token: 100000 }\nui: {}`;
  const start = async () => {
    const options = { url: database.url, autoRenewal: 'every: 1s', extraConfig: config };
    const service = startPerennial(['start'], options);
    await service.untilReady();
    return service;
  };
  let service = await start();
  return {
    shop,
    origin: `http://127.0.0.1:${port}`,
    config,
    get service() {
      return service;
    },
    createLink: (role = 'admin', name) => createLink(shop, role, name),
    async restart() {
      await service[Symbol.asyncDispose]();
      service = await start();
    },
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await shop[Symbol.asyncDispose]();
    },
  };
}

export interface OperatorOptions extends TabOptions {
  readonly role?: OperatorRole;
  readonly name?: string;
}

/** One service and one browser, which the tests of a file share. */
export interface DashboardKit {
  readonly dashboard: RunningDashboard;
  readonly browser: Browser;
  /** A tab without a session. */
  openTab(options?: TabOptions): Promise<BrowserTab>;
  /** A tab that signed in by a new link and shows a page, as `/customers`. */
  open(path: string, options?: OperatorOptions): Promise<BrowserTab>;
}

/** Tests that need Chromium; without it they are skipped. */
export function describeDashboard(
  title: string,
  define: (kit: DashboardKit) => void,
  options: DashboardShopOptions = {},
): void {
  describe.skipIf(!hasChromium())(title, () => {
    let dashboard: RunningDashboard;
    let browser: Browser;
    beforeAll(async () => {
      browser = await openBrowser();
      dashboard = await startDashboard(options);
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await dashboard?.[Symbol.asyncDispose]();
    });
    define({
      get dashboard() {
        return dashboard;
      },
      get browser() {
        return browser;
      },
      openTab: (tabOptions) => openTab(browser, tabOptions),
      open: (path, operator) => openSignedIn(dashboard, browser, path, operator),
    });
  });
}

async function openSignedIn(
  { origin, createLink }: RunningDashboard,
  browser: Browser,
  path: string,
  { role, name, ...options }: OperatorOptions = {},
): Promise<BrowserTab> {
  const tab = await openTab(browser, options);
  const { page } = tab;
  // The first read of the session has no cookie yet.
  tab.allow(/status of 401/);
  await page.goto(`${origin}/ui/sign-in#${await createLink(role, name)}`);
  await page.locator('#menu').waitFor({ state: 'attached' });
  if (path !== '/') await page.goto(`${origin}/ui${path}`);
  return tab;
}
