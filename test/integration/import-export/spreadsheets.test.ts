import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ImportOutcome } from '../../../src/import-export/import.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import {
  createImportPlans,
  csvHeader,
  exportText,
  importText,
} from '../../support/import-export.ts';

// Files as Excel and LibreOffice save them.

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ now: '2026-11-24T00:00:00Z' });
  await createImportPlans(database.db);
});
afterAll(() => database.close());

const row =
  '7,ru,Europe/Moscow,RUB,149.50,false,10,true,,paid,basic,30,2026-12-01T12:00:00+03:00,true,';

/** A dry run in pieces of a few bytes, which cut byte order marks and characters. */
const checkText = (text: string | Buffer): Promise<ImportOutcome> =>
  importText(database.url, text, { dryRun: true, pieceBytes: 3 });

const toProblemTexts = (outcome: ImportOutcome) =>
  outcome.outcome === 'refused' ? outcome.problems : [];

const csv = `${csvHeader}\n${row}\n`;
const bigEndian = (text: string) => Buffer.from(text, 'utf16le').swap16();

describe('a file of a spreadsheet is read', () => {
  test.each<[string, string | Buffer]>([
    ['semicolons', csv.replaceAll(',', ';')],
    ['tabs', csv.replaceAll(',', '\t')],
    ['a line that declares semicolons', `sep=;\r\n${csv.replaceAll(',', ';')}`],
    ['semicolons and quotes', csv.replaceAll(/[^,\n]+/g, '"$&"').replaceAll(',', ';')],
    ['a UTF-8 byte order mark and CRLF', `\ufeff${csv.replaceAll('\n', '\r\n')}`],
    ['UTF-16 little-endian', Buffer.from(`\ufeff${csv}`, 'utf16le')],
    ['UTF-16 big-endian', bigEndian(`\ufeff${csv}`)],
    ['UTF-16 without a byte order mark', Buffer.from(csv, 'utf16le')],
    ['UTF-16 with tabs', Buffer.from(`\ufeff${csv.replaceAll(',', '\t')}`, 'utf16le')],
    ['TRUE and FALSE', csv.replaceAll('true', 'TRUE').replaceAll('false', 'False')],
    [
      'booleans of a Russian spreadsheet',
      csv.replaceAll('true', 'ИСТИНА').replace('false', 'ЛОЖЬ'),
    ],
    ['empty rows', `${csv},,,,,,,,,,,,,,\r\n\r\n${',,'.repeat(7)}\n`],
    ['empty rows before the header', `,,,,,,,,,,,,,,\n${csv}`],
    ['empty columns at the end', csv.replaceAll('\n', ',,,\n')],
    ['only the required columns', 'telegram_id\n7\n'],
    [
      'without optional columns',
      'expires_at;plan;kind;telegram_id\n2026-12-01T12:00:00Z;basic;paid;7\n',
    ],
  ])('%s', async (_, text) => {
    const outcome = await checkText(text);
    expect(toProblemTexts(outcome)).toEqual([]);
    expect(outcome).toMatchObject({ outcome: 'checked', summary: { customers: 1, lines: 1 } });
  });
});

const encodeUtf32 = (text: string) =>
  Buffer.from(Uint32Array.from(text, (one) => one.charCodeAt(0)).buffer);

test.each<[string, string | Buffer, RegExp]>([
  ['line ends of CR alone', csv.replaceAll('\n', '\r'), /^the lines of the file end with CR alone/],
  ['gzip', gzipSync(csv), /^the file is compressed by gzip; expected text in UTF-8 or UTF-16$/],
  ['a workbook', Buffer.from('PK\u0003\u0004x'), /^the file is a ZIP archive or a workbook/],
  ['UTF-32', encodeUtf32(`\ufeff${csv}`), /^the file is in UTF-32/],
  ['UTF-32 without a byte order mark', encodeUtf32(csv), /^the file is in UTF-32/],
])('%s is refused with one sentence', async (_, text, sentence) => {
  await expect(checkText(text)).rejects.toMatchObject({
    code: 'bad_file',
    message: expect.stringMatching(sentence),
  });
});

describe('a value that a spreadsheet has changed is reported with its reason', () => {
  const header = 'telegram_id;balance;kind;plan;expires_at';
  test.each([
    ['7;149,50;paid;basic;2026-12-01T12:00:00Z', 'balance', /decimal comma; expected a point/],
    ['7;1 149,50;paid;basic;2026-12-01T12:00:00Z', 'balance', /decimal comma/],
    [
      '7;0;paid;basic;24.11.2026 9:00',
      'expires_at',
      /a date in the format of a spreadsheet; expected/,
    ],
    ['7;0;paid;basic;11/24/26', 'expires_at', /a date in the format of a spreadsheet/],
    ['7;0;paid;basic;2026-11-24', 'expires_at', /a date in the format of a spreadsheet/],
    ['7;0;paid;basic;46350,375', 'expires_at', /a date in the format of a spreadsheet/],
    ['1,23457E+11;0;paid;basic;2026-12-01T12:00:00Z', 'telegram_id', /rounded by a spreadsheet/],
  ])('%s', async (line, column, reason) => {
    expect(toProblemTexts(await checkText(`${header}\n${line}\n`))).toEqual([
      expect.objectContaining({ line: 2, column, reason: expect.stringMatching(reason) }),
    ]);
  });

  test('a missing required column is one problem for any number of lines', async () => {
    const problems = toProblemTexts(await checkText('balance\n5\n6\n'));
    expect(problems).toEqual([expect.objectContaining({ line: 1, column: 'telegram_id' })]);
  });
});

test('the result names the columns that the file does not have', async () => {
  expect(await checkText('telegram_id,balance\n7,5\n')).toMatchObject({
    absent: expect.arrayContaining(['locale', 'trial_used', 'kind']),
  });
  expect(await checkText(csv)).toMatchObject({ absent: [] });
});

test('a trial with auto_renew is imported with auto-renewal off', async () => {
  const text =
    'telegram_id,kind,plan,expires_at,auto_renew\n8,trial,basic,2026-11-26T09:00:00Z,TRUE\n';
  await importText(database.url, text);
  expect(await exportText(database.url)).toContain('trial,basic,3,2026-11-26T09:00:00.000Z,false,');
});
