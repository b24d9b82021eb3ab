import { isUtf8 } from 'node:buffer';
import { UsageFault } from '../kernel/faults.ts';
import { decodeToUtf8 } from './encoding.ts';

// Splits bytes into lines, numbered like in an editor. A line that is not UTF-8 or is too long is
// reported as such, and the next line is read normally.

export interface TextLine {
  /** The number of the line, from 1. */
  readonly number: number;
  /** The text without its line end, `\r\n` or `\n`. */
  readonly text: string;
  /** `utf8`: undecodable bytes are U+FFFD. `too_long`: the text is dropped. */
  readonly fault?: 'utf8' | 'too_long';
}

/** Longer than any valid line; a file without line ends must not fill the memory. */
const lineBytesMax = 64 * 1024;

const newline = 10;
const carriageReturn = 13;

function trimReturn(text: string): string {
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

/** Whole lines of a block, without the last `\n`. */
function decodeBlock(block: Buffer, firstNumber: number): TextLine[] {
  if (isUtf8(block)) {
    const texts = block.toString('utf8').split('\n');
    return texts.map((text, index) => toTextLine(text, firstNumber + index));
  }
  const lines: TextLine[] = [];
  let from = 0;
  while (from <= block.length) {
    const end = block.indexOf(newline, from);
    const bytes = block.subarray(from, end === -1 ? block.length : end);
    const line = toTextLine(bytes.toString('utf8'), firstNumber + lines.length);
    lines.push(isUtf8(bytes) ? line : { ...line, fault: 'utf8' });
    if (end === -1) break;
    from = end + 1;
  }
  return lines;
}

function toTextLine(text: string, number: number): TextLine {
  if (text.length > lineBytesMax) return { number, text: '', fault: 'too_long' };
  return { number, text: trimReturn(text) };
}

/**
 * The lines of a stream in UTF-8 or UTF-16, one block at a time.
 * @throws UsageFault `bad_file` for another kind of file, or for line ends of CR alone
 */
export async function* readLines(source: AsyncIterable<Buffer>): AsyncGenerator<TextLine[]> {
  let remainder: Buffer = Buffer.alloc(0);
  let number = 1;
  let isSkipping = false;
  let hasReturn = false;
  for await (const chunk of decodeToUtf8(source)) {
    const block = remainder.length === 0 ? chunk : Buffer.concat([remainder, chunk]);
    const end = block.lastIndexOf(newline);
    if (end === -1) {
      const at = block.indexOf(carriageReturn);
      hasReturn ||= at !== -1 && at < block.length - 1;
      isSkipping ||= block.length > lineBytesMax;
      remainder = isSkipping ? Buffer.alloc(0) : block;
      continue;
    }
    const lines = decodeBlock(block.subarray(0, end), number);
    if (isSkipping) lines[0] = { number, text: '', fault: 'too_long' };
    isSkipping = false;
    number += lines.length;
    remainder = block.subarray(end + 1);
    yield lines;
  }
  if (hasReturn && number === 1) {
    const expected = 'expected lines that end with LF or CRLF';
    throw new UsageFault('bad_file', `the lines of the file end with CR alone; ${expected}`);
  }
  if (isSkipping) yield [{ number, text: '', fault: 'too_long' }];
  else if (remainder.length > 0) yield decodeBlock(remainder, number);
}
