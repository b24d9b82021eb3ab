import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

// Debian's Chromium for tests of the dashboard: `CHROMIUM_BIN`, else `chromium` on the PATH.

export type { Browser } from 'playwright-core';

function findChromium(): string | undefined {
  if (process.env.CHROMIUM_BIN !== undefined) return process.env.CHROMIUM_BIN;
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'chromium')).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const executablePath = findChromium();

/** True if Chromium is installed. With REQUIRE_CHROMIUM=1 its absence is a failure. */
export function hasChromium(): boolean {
  const isFound = executablePath !== undefined;
  if (!isFound && process.env.REQUIRE_CHROMIUM === '1') throw new Error('chromium: not found');
  if (!isFound) process.stderr.write('skipped: tests in a browser: no chromium\n');
  return isFound;
}

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    ...(executablePath !== undefined && { executablePath }),
    // The tests run as root in a container, which has no sandbox for Chromium.
    chromiumSandbox: false,
    args: ['--disable-gpu', '--disable-quic', '--disable-sync', '--disable-component-update'],
  });

export interface TabOptions {
  readonly language?: 'en' | 'ru';
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

/**
 * A tab with its own cookies. Its disposal fails if a script failed, the console has an error, or
 * the policy was violated.
 */
export interface BrowserTab extends AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Permits faults that a test provokes. */
  allow(...patterns: readonly RegExp[]): void;
  /** The faults until now that are not permitted. */
  readFaults(): readonly string[];
}

const violationScript = `document.addEventListener('securitypolicyviolation', (event) =>
  reportViolation([event.violatedDirective, event.blockedURI, event.sample].join(' ')));`;

/** The deadline of a wait in a page: long enough for a busy machine. */
const pageWaitMs = 20_000;

export async function openTab(browser: Browser, options: TabOptions = {}): Promise<BrowserTab> {
  const { language = 'en', theme = 'light', width = 1_280, height = 800 } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    locale: language === 'en' ? 'en-GB' : 'ru-RU',
    timezoneId: 'UTC',
    colorScheme: theme,
    // A moving spinner would make pictures differ.
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(pageWaitMs);
  const faults: string[] = [];
  const allowed: RegExp[] = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  context.on('weberror', (error) => faults.push(`script: ${error.error().stack}`));
  await context.exposeBinding('reportViolation', (_, text: string) => {
    faults.push(`policy: ${text}`);
  });
  await context.addInitScript({ content: violationScript });
  const readFaults = () => faults.filter((fault) => !allowed.some((each) => each.test(fault)));
  return {
    context,
    page: await context.newPage(),
    allow: (...patterns) => void allowed.push(...patterns),
    readFaults,
    async [Symbol.asyncDispose]() {
      await context.close();
      const left = readFaults();
      if (left.length > 0) throw new Error(`the page has faults:\n${left.join('\n')}`);
    },
  };
}
