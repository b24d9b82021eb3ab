import { expect, test } from 'vitest';
import { createImportDatabase, csvHeader, importText } from '../../support/import-export.ts';

const header = csvHeader;
const line = (telegramId: number, uuid: string): string =>
  `${telegramId},,,,0,,,,,paid,basic,30,2026-12-01T12:00:00Z,true,${uuid}`;
const file = (...lines: readonly string[]): string => `${[header, ...lines].join('\n')}\n`;

/** Another UUID that a VLESS inbound does not distinguish from this one. */
const toNearUuid = (id: string): string => `${id.slice(0, 14)}4abc${id.slice(18)}`;

test('two UUIDs that VLESS does not distinguish are refused, in the file and against the database', async () => {
  await using database = await createImportDatabase();
  const [first, second] = [
    '11111111-1111-4111-8111-111111111111',
    '22222222-2222-4222-8222-222222222222',
  ] as const;
  expect(await importText(database.url, file(line(100, first)))).toMatchObject({
    outcome: 'imported',
  });
  const unread = 'to VLESS, which does not read the third group';
  const refused = await importText(
    database.url,
    file(line(200, second), line(300, toNearUuid(second)), line(400, toNearUuid(first))),
  );
  expect(refused).toMatchObject({
    outcome: 'refused',
    problems: [
      {
        line: 3,
        column: 'uuid',
        value: toNearUuid(second),
        reason: `is already in line 2 ${unread}`,
      },
      {
        line: 4,
        column: 'uuid',
        value: toNearUuid(first),
        reason: `is in the database already ${unread}`,
      },
    ],
  });
});
