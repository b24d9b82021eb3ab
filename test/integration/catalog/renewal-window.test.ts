import { expect, test } from 'vitest';
import { requirePeriodFitsWindow } from '../../../src/catalog/renewal-window.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { applyConfig, createConfig } from '../../support/catalog.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import { setPrice } from '../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';

const plans = (...days: number[]): string => `
plans:
  basic: { title: Basic, groups: [all], prices: { RUB: { ${days.map((n) => `${n}: ${n}`).join(', ')} } } }
`;
const window = (text: string): string => `renewal: { window: ${text}, retry: 1h, revive: 7d }\n`;

const apply = (database: TestDatabase, text: string) => applyConfig(database, createConfig(text));

const tooLong = (found: string, days: number, most: string) => ({
  code: 'window_too_long',
  message: `perennial.yaml: renewal.window: "${found}" is longer than half of the shortest period on sale (${days} day${days === 1 ? '' : 's'}); expected at most ${most}`,
});

test.each([
  ['6h', [1, 30], undefined],
  ['12h', [1], undefined],
  ['13h', [1, 30], tooLong('13h', 1, '12h')],
  ['15d', [30], undefined],
  ['60d', [30, 365], tooLong('60d', 30, '15d')],
  ['2d', [3], tooLong('2d', 3, '36h')],
])('B5: a window of %s with periods of %j days', async (given, days, fault) => {
  await using database = await createDatabase({ now: start });
  const applied = apply(database, plans(...days) + window(given));
  if (fault === undefined) expect(await applied).not.toEqual([]);
  else await expect(applied).rejects.toMatchObject(fault);
});

test('B5: a period that is too short for the window in the database is refused', async () => {
  await using database = await createDatabase({ now: start });
  await apply(database, plans(30) + window('15d'));
  await expect(apply(database, plans(7, 30))).rejects.toMatchObject(tooLong('15d', 7, '84h'));
  const asked = inTransaction(database.db, (tx) => requirePeriodFitsWindow(tx, 7));
  await expectFault(asked, 'window_too_long');
});

test('B5: a window alone is checked against the periods in the database', async () => {
  await using database = await createDatabase({ now: start });
  await apply(database, plans(30));
  await expect(apply(database, window('16d'))).rejects.toMatchObject(tooLong('16d', 30, '15d'));
  await database.setClock('2026-11-02T00:00:00Z');
  await setPrice(database, 'basic', 30, null, 'RUB', '2026-11-02T00:00:00Z');
  expect(await apply(database, window('16d'))).toHaveLength(1);
});
