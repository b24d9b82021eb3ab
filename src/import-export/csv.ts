import type { TextLine } from './text-lines.ts';

// Parses CSV by RFC 4180, one record at a time. A bad record ends with its line, and parsing
// continues with the next line. csv-parse, which the tests compare, takes the rest of the file
// after a stray quote as one field, so later bad lines would not be reported.

export type FieldsOrError =
  | { readonly fields: readonly string[] }
  | { readonly wrong: string }
  /** A quote is open at the end of the text, so the record may continue in the next line. */
  | { readonly open: true };

/** Separators of spreadsheets; they depend on the country. */
export const delimiters = [',', ';', '\t'] as const;
export type Delimiter = (typeof delimiters)[number];

/** Splits one record. */
export function splitFields(text: string, delimiter: Delimiter = ','): FieldsOrError {
  if (!text.includes('"')) return { fields: text.split(delimiter) };
  const fields: string[] = [];
  let from = 0;
  for (;;) {
    if (text[from] !== '"') {
      const end = text.indexOf(delimiter, from);
      const field = text.slice(from, end === -1 ? text.length : end);
      if (field.includes('"'))
        return { wrong: 'has a quote inside a field without quotes around it' };
      fields.push(field);
      if (end === -1) return { fields };
      from = end + 1;
      continue;
    }
    const end = locateClosingQuote(text, from + 1);
    if (end === -1) return { open: true };
    fields.push(text.slice(from + 1, end).replaceAll('""', '"'));
    if (end + 1 === text.length) return { fields };
    if (text[end + 1] !== delimiter) return { wrong: 'has text after a closing quote' };
    from = end + 2;
  }
}

function locateClosingQuote(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
  return end;
}

export interface CsvRecord {
  /** The line at which the record begins. */
  readonly line: number;
  readonly fields?: readonly string[];
  readonly wrong?: string;
  /** Some of its bytes are not UTF-8. */
  readonly broken?: boolean;
}

/** Our fields have no line break, so a longer record is an unclosed quote. */
const recordLinesMax = 100;

/** Combines lines into records. Blank lines are skipped. */
export class CsvRecordReader {
  /** Set by the header, before its line is added. */
  delimiter: Delimiter = ',';
  #open: TextLine[] = [];

  /** The records that end with this line. */
  add(line: TextLine): CsvRecord[] {
    if (this.#open.length === 0) return this.#begin(line);
    this.#open.push(line);
    if (line.fault === 'too_long' || this.#open.length > recordLinesMax) return this.#rejectFirst();
    if (!line.text.includes('"')) return [];
    const read = splitFields(this.#open.map(({ text }) => text).join('\n'), this.delimiter);
    if ('open' in read) return [];
    if ('wrong' in read) return this.#rejectFirst();
    return [toCsvRecord(this.#open.splice(0), read.fields)];
  }

  /** The records that end with the file. */
  end(): CsvRecord[] {
    const records: CsvRecord[] = [];
    while (this.#open.length > 0) records.push(...this.#rejectFirst());
    return records;
  }

  #begin(line: TextLine): CsvRecord[] {
    if (line.fault === 'too_long') return [{ line: line.number, wrong: 'is longer than 64 KiB' }];
    if (line.text === '') return [];
    const read = splitFields(line.text, this.delimiter);
    if ('fields' in read) return [toCsvRecord([line], read.fields)];
    if ('wrong' in read) return [{ line: line.number, wrong: read.wrong }];
    this.#open = [line];
    return [];
  }

  /** The first open line is wrong; the lines after it are parsed again without it. */
  #rejectFirst(): CsvRecord[] {
    const [first, ...others] = this.#open.splice(0);
    if (first === undefined) return [];
    const wrong: CsvRecord = { line: first.number, wrong: 'has a quote that is not closed' };
    return [wrong, ...others.flatMap((line) => this.add(line))];
  }
}

function toCsvRecord(lines: readonly TextLine[], fields: readonly string[]): CsvRecord {
  const line = lines[0]?.number ?? 0;
  return lines.some(({ fault }) => fault === 'utf8')
    ? { line, fields, broken: true }
    : { line, fields };
}

/** The text of one record, quoted if necessary. */
export function joinFields(fields: readonly string[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

export const formatCsvHeader = (columns: readonly string[]): string => `${joinFields(columns)}\n`;

/** Rows as CSV without a header. Null is an empty field. */
export const formatCsvRows = (columns: readonly string[], rows: readonly object[]): string =>
  rows.map((row) => `${joinFields(columns.map((column) => formatField(row, column)))}\n`).join('');

function formatField(row: object, column: string): string {
  const value = (row as Readonly<Record<string, unknown>>)[column];
  return value === null || value === undefined ? '' : String(value);
}
