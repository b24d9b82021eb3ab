import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { until } from '../../testbed/until.ts';
import { root } from './repository.ts';

// Checks of a page: accessibility and width.

const axe = readFileSync(join(root, 'node_modules/axe-core/axe.min.js'), 'utf8');

const axeRun = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => [id, help, html, failureSummary].join(': '))))`;

/**
 * The violations that axe finds. It runs in an isolated world, so the strict policy of the page
 * stays in force.
 */
export async function findAxeViolations(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
  });
  await session.send('Runtime.evaluate', { expression: `${axe};0`, contextId });
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: axeRun,
    contextId,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
  return result.value;
}

const overflowScript = `(() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
    .map(({ outerHTML }) => outerHTML.slice(0, 160));
})()`;

/** Elements that are wider than the page, if the page scrolls sideways. */
export const findOverflow = (page: Page): Promise<string[]> => page.evaluate(overflowScript);

/** Waits until nothing loads: no spinner, no placeholder, and a heading. */
export async function untilLoaded(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor();
  // A wait by a function of Playwright evaluates a text in the page. Trusted Types forbid that.
  const pending = page.locator('.spinner, [aria-busy="true"]');
  await until('the page has loaded', async () => (await pending.count()) === 0);
}
