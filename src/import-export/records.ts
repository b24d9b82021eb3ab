import { UsageFault } from '../kernel/faults.ts';
import { type ColumnName, columnNames, defaultColumns, isColumnName } from './columns.ts';
import { type CsvRecord, CsvRecordReader } from './csv.ts';
import { checkHeader, detectDelimiter, parseDelimiter, trimNames } from './csv-header.ts';
import { type LineProblem, shortenValue } from './problems.ts';
import type { TextLine } from './text-lines.ts';

// Splits the lines of a file into records, for both formats: the text of each column in the order
// of `columnNames`, or the fault of the whole line.

const fileFormats = ['csv', 'jsonl'] as const;
export type FileFormat = (typeof fileFormats)[number];

/** The format by `--format`, else by the ending of the file. @throws UsageFault if both fail */
export function detectFormat(file: string, given: string | undefined): FileFormat {
  if (given === 'csv' || given === 'jsonl') return given;
  if (given === 'ndjson') return 'jsonl';
  if (given !== undefined) {
    throw new UsageFault(
      'bad_format',
      `--format: "${given}" is not a format; expected csv or jsonl`,
    );
  }
  if (/\.csv$/i.test(file)) return 'csv';
  if (/\.(jsonl|ndjson)$/i.test(file)) return 'jsonl';
  throw new UsageFault(
    'bad_format',
    `${file}: is not a name with a known ending; expected .csv, .jsonl or .ndjson, or pass --format csv or --format jsonl`,
  );
}

export interface FileRecord {
  readonly line: number;
  /** One text for each column. */
  readonly texts: readonly string[];
}

export type RecordOrProblem = FileRecord | LineProblem;

export function isProblem(read: RecordOrProblem): read is LineProblem {
  return 'reason' in read;
}

/** Converts lines to records. `ended` means that later lines cannot be parsed. */
export interface RecordReader {
  add(line: TextLine): RecordOrProblem[];
  end(): RecordOrProblem[];
  readonly ended: boolean;
  /** Columns that the file lacks: each line has their default. */
  readonly absent: readonly ColumnName[];
}

export function createRecordReader(format: FileFormat): RecordReader {
  return format === 'csv' ? new CsvReader() : new JsonLinesReader();
}

const emptyFileProblem: LineProblem = {
  line: 1,
  column: null,
  value: null,
  reason: 'the file is empty',
};

class CsvReader implements RecordReader {
  readonly #records = new CsvRecordReader();
  #header: readonly string[] | undefined;
  /** The position of each of our columns in the file. */
  #columnIndexes: readonly number[] = [];
  #hasDeclaration = false;
  /** Fields of a line, with empty columns at the end. */
  #width = 0;
  ended = false;
  absent: readonly ColumnName[] = [];

  add(line: TextLine): RecordOrProblem[] {
    if (this.#header === undefined && this.#isDeclaration(line.text)) return [];
    return this.#toRecords(this.#records.add(line));
  }

  /** Sets the delimiter before the header is split. @returns true if the line is only `sep=` */
  #isDeclaration(text: string): boolean {
    const declared = this.#hasDeclaration ? undefined : parseDelimiter(text);
    if (declared === undefined && !this.#hasDeclaration)
      this.#records.delimiter = detectDelimiter(text);
    if (declared !== undefined) this.#records.delimiter = declared;
    this.#hasDeclaration ||= declared !== undefined;
    return declared !== undefined;
  }

  end(): RecordOrProblem[] {
    const read = this.#toRecords(this.#records.end());
    return this.#header === undefined && read.length === 0 ? [emptyFileProblem] : read;
  }

  #toRecords(records: readonly CsvRecord[]): RecordOrProblem[] {
    return records.flatMap((record) => (this.ended ? [] : this.#toRecord(record)));
  }

  #toRecord({ line, fields, wrong, broken }: CsvRecord): RecordOrProblem[] {
    // A spreadsheet saves an empty row as separators only.
    if (fields?.every((field) => field === '')) return [];
    const header = this.#header;
    if (header === undefined) return this.#readHeader(line, fields, wrong);
    if (fields === undefined) {
      return [{ line, column: null, value: null, reason: wrong ?? 'can’t be read' }];
    }
    if (broken) {
      const index = fields.findIndex((field) => field.includes('\ufffd'));
      const value = shortenValue(fields[index] ?? '');
      return [{ line, column: header[index] ?? null, value, reason: 'is not UTF-8' }];
    }
    if (fields.length !== this.#width) {
      const reason = `has ${fields.length} fields; the header has ${this.#width}`;
      return [{ line, column: null, value: null, reason }];
    }
    return [{ line, texts: this.#columnIndexes.map((index) => fields[index] ?? '') }];
  }

  #readHeader(line: number, fields: CsvRecord['fields'], wrong?: string): LineProblem[] {
    const header = trimNames(fields ?? []);
    this.#width = fields?.length ?? 0;
    this.#header = header;
    this.#columnIndexes = columnNames.map((name) => header.indexOf(name));
    this.absent = defaultColumns.filter((name) => !header.includes(name));
    const problems =
      fields === undefined
        ? [{ line, column: null, value: null, reason: wrong ?? 'can’t be read' }]
        : checkHeader(line, header);
    this.ended = problems.length > 0;
    return problems;
  }
}

class JsonLinesReader implements RecordReader {
  #hasLines = false;
  readonly ended = false;
  readonly absent = [];

  add(line: TextLine): RecordOrProblem[] {
    if (line.text.trim() === '' && line.fault === undefined) return [];
    this.#hasLines = true;
    const toLineProblem = (reason: string): LineProblem[] => [
      { line: line.number, column: null, value: shortenValue(line.text), reason },
    ];
    if (line.fault === 'too_long') return toLineProblem('is longer than 64 KiB');
    const object = parseObject(line.text);
    if (line.fault === 'utf8') return [toEncodingProblem(line, object)];
    if (object === undefined) return toLineProblem('is not a JSON object');
    return parseMembers(line.number, object);
  }

  end(): RecordOrProblem[] {
    return this.#hasLines ? [] : [emptyFileProblem];
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // JSON.parse throws a SyntaxError
  }
}

function toEncodingProblem(line: TextLine, object: Record<string, unknown> = {}): LineProblem {
  const found = Object.entries(object).find((member) => String(member).includes('\ufffd'));
  const [column = null, value = line.text] = found ?? [];
  return { line: line.number, column, value: shortenValue(String(value)), reason: 'is not UTF-8' };
}

function parseMembers(line: number, object: Record<string, unknown>): RecordOrProblem[] {
  const problems: LineProblem[] = [];
  for (const [name, value] of Object.entries(object)) {
    const problem = {
      line,
      column: shortenValue(name),
      value: shortenValue(JSON.stringify(value)),
    };
    if (!isColumnName(name))
      problems.push({ ...problem, reason: 'is not a column; see docs/import.md' });
    else if (typeof value === 'object' && value !== null) {
      problems.push({
        ...problem,
        reason: 'is not a plain value; expected a text, a number, true, false or null',
      });
    }
  }
  if (problems.length > 0) return problems;
  return [{ line, texts: columnNames.map((name) => String(object[name] ?? '')) }];
}
