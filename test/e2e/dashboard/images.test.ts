import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dashboardPages } from '../../support/dashboard-pages.ts';
import { describeDashboard } from '../../support/dashboard-process.ts';
import { untilLoaded } from '../../support/page-checks.ts';
import { root } from '../../support/repository.ts';

// The pictures of docs/dashboard.md. `DASHBOARD_IMAGES=1` writes them again.

const themes = ['light', 'dark'] as const;
const [width, height] = [1_280, 800];
const totalMax = 3_000_000;

const toFile = (id: string, theme: string): string =>
  join(root, `docs/images/dashboard-${id}-${theme}.png`);

const pictures = dashboardPages.flatMap(({ id, path }) =>
  themes.map((theme) => ({ path, theme, file: toFile(id, theme) })),
);

if (process.env.DASHBOARD_IMAGES === '1') {
  describeDashboard('pictures', (kit) => {
    test.each(themes)(
      'each page in the theme "%s" is drawn',
      async (theme) => {
        await using tab = await kit.open('/', { theme, width, height });
        const { page } = tab;
        for (const { path, file } of pictures.filter((each) => each.theme === theme)) {
          await page.goto(`${kit.dashboard.origin}/ui${path}`);
          await untilLoaded(page);
          if (path === '/audit') {
            await page.getByRole('button', { name: 'Check everything now' }).click();
            await page.getByText('No violation').first().waitFor({ timeout: 120_000 });
          }
          await page.locator('.live.live').waitFor();
          await page.screenshot({ path: file, animations: 'disabled' });
        }
      },
      300_000,
    );
  });
}

test('the document shows each page in both themes, and the pictures are small', () => {
  const text = readFileSync(join(root, 'docs/dashboard.md'), 'utf8');
  let total = 0;
  for (const { file } of pictures) {
    expect(text).toContain(file.replace(`${root}docs/`, ''));
    const header = readFileSync(file).subarray(16, 24);
    expect([header.readUInt32BE(0), header.readUInt32BE(4)]).toEqual([width, height]);
    total += statSync(file).size;
  }
  expect(total).toBeLessThan(totalMax);
});
