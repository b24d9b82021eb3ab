import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readSeed } from '../../test/support/seed.ts';
import { CsvRecordReader, joinFields, splitFields } from './csv.ts';
import { readLines } from './text-lines.ts';

const field = fc.string({
  unit: fc.constantFrom('a', 'ё', '"', ',', '\n', ' ', '😀'),
  maxLength: 6,
});
const record = fc
  .array(field, { minLength: 1, maxLength: 5 })
  .filter((fields) => fields.join('') !== '');

async function readRecords(text: string, pieceBytes: number) {
  const bytes = Buffer.from(text);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const records = new CsvRecordReader();
  const found = [];
  for await (const lines of readLines(pieces())) {
    for (const line of lines) found.push(...records.add(line));
  }
  return [...found, ...records.end()];
}

test(`records come out of CSV as csv-stringify wrote them, with their lines (seed ${readSeed()})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 8 }),
      fc.integer({ min: 1, max: 20 }),
      async (rows, pieceBytes) => {
        const found = await readRecords(stringify(rows), pieceBytes);
        let line = 1;
        const expected = rows.map((fields) => {
          const here = { line, fields };
          line += 1 + fields.join('').split('\n').length - 1;
          return here;
        });
        expect(found).toEqual(expected);
      },
    ),
  );
});

test(`any text is read as csv-parse reads it, or refused as it refuses it (seed ${readSeed()})`, () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '"', ',', 'é'),
    minLength: 1,
    maxLength: 12,
  });
  const theirs = (source: string): readonly string[] | undefined => {
    try {
      return parse(source, { relax_column_count: true })[0];
    } catch {
      return undefined;
    }
  };
  fc.assert(
    fc.property(text, (source) => {
      const ours = splitFields(source);
      expect('fields' in ours ? ours.fields : undefined).toEqual(theirs(source));
    }),
    { numRuns: 2_000 },
  );
});

test('what is joined is split again', () => {
  fc.assert(
    fc.property(record, (fields) => {
      expect(splitFields(joinFields(fields))).toEqual({ fields });
    }),
  );
});
