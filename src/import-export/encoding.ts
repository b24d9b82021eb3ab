import { UsageFault } from '../kernel/faults.ts';

// The text encodings that spreadsheets save: UTF-8 and UTF-16, with or without a byte order mark.

type Bytes = AsyncIterable<Buffer>;

interface Encoding {
  readonly name: 'utf-8' | 'utf-16le' | 'utf-16be';
  readonly markBytes: number;
}

/** By the byte order mark; without one, by the zero byte that each ASCII letter has in UTF-16. */
function detectEncoding(head: Buffer): Encoding {
  const [first, second, third] = head;
  if (first === 0xff && second === 0xfe) return { name: 'utf-16le', markBytes: 2 };
  if (first === 0xfe && second === 0xff) return { name: 'utf-16be', markBytes: 2 };
  if (first === 0xef && second === 0xbb && third === 0xbf) return { name: 'utf-8', markBytes: 3 };
  if (first === 0 && second !== 0) return { name: 'utf-16be', markBytes: 0 };
  if (second === 0 && first !== 0 && head.length > 1) return { name: 'utf-16le', markBytes: 0 };
  return { name: 'utf-8', markBytes: 0 };
}

const markBytesMax = 4;

/** The first bytes of other kinds of files. */
const foreignFormats: readonly (readonly [bytes: readonly number[], name: string])[] = [
  [[0x1f, 0x8b], 'compressed by gzip'],
  [[0x50, 0x4b, 3, 4], 'a ZIP archive or a workbook'],
  [[0xff, 0xfe, 0, 0], 'in UTF-32'],
  [[0, 0, 0xfe, 0xff], 'in UTF-32'],
];

/** @throws UsageFault `bad_file` */
function requireText(head: Buffer): void {
  const isWide = head.length >= 4 && (head.readUInt32LE() < 0x80 || head.readUInt32BE() < 0x80);
  const format = foreignFormats.find(([bytes]) => bytes.every((byte, at) => head[at] === byte));
  const name = format?.[1] ?? (isWide ? 'in UTF-32' : undefined);
  if (name === undefined) return;
  throw new UsageFault('bad_file', `the file is ${name}; expected text in UTF-8 or UTF-16`);
}

/** The same text as UTF-8, without a byte order mark. UTF-8 passes through unchecked. */
export async function* decodeToUtf8(source: Bytes): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let hasBegun = false;
  const convert = (chunk: Buffer) =>
    decoder === undefined ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }));
  const begin = () => {
    requireText(head);
    const { name, markBytes } = detectEncoding(head);
    if (name !== 'utf-8') decoder = new TextDecoder(name);
    hasBegun = true;
    return convert(head.subarray(markBytes));
  };
  for await (const chunk of source) {
    if (hasBegun) {
      yield convert(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length >= markBytesMax) yield begin();
  }
  if (!hasBegun && head.length > 0) yield begin();
  const remainder = decoder?.decode() ?? '';
  if (remainder !== '') yield Buffer.from(remainder);
}
