import { createReadStream, createWriteStream, open } from 'node:fs';
import { lstat, rename, rm, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { errnoWords } from '../db/faults.ts';
import { UsageFault } from '../kernel/faults.ts';

// Where a book comes from and goes to: a file, or `-` for the standard streams.

export interface Source extends Disposable {
  readonly bytes: AsyncIterable<Buffer>;
  /** Undefined for a pipe. */
  readonly size: number | undefined;
  /** Ends a read that waits for its next bytes; the reader gets an error. */
  close(): void;
}

function unreadable(file: string, error: unknown): UsageFault {
  const { code, message } = error as NodeJS.ErrnoException;
  return new UsageFault('no_file', `${file}: can't be read (${code ?? message})`, error);
}

function unwritable(file: string, error: unknown): UsageFault {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = (code && errnoWords[code]) ?? code ?? message;
  return new UsageFault('no_output', `${file}: can't be written (${why})`, error);
}

/** Large enough that a round of the loop is worth it. */
const chunkBytes = 256 * 1024;

async function* reading(file: string, stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function sourceOf(file: string, stream: Readable, size: number | undefined): Source {
  const close = () => void stream.destroy();
  return { bytes: reading(file, stream), size, close, [Symbol.dispose]: close };
}

/** @throws UsageFault for what can't be read; also later, while it is read */
export async function openSource(file: string): Promise<Source> {
  if (file === '-') return sourceOf('stdin', process.stdin, undefined);
  try {
    const found = await stat(file);
    // A folder opens well and fails at the first read; a file that may not be read, at once.
    if (found.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    const fd = await promisify(open)(file, 'r');
    // A read of an idle pipe in the thread pool can't be ended; one of a socket can.
    if (found.isFIFO()) return sourceOf(file, new Socket({ fd, writable: false }), undefined);
    const stream = createReadStream(file, { fd, highWaterMark: chunkBytes });
    return sourceOf(file, stream, found.isFile() ? found.size : undefined);
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** The books have secrets: nobody else may read what is written. */
const mode = 0o600;

async function isPlain(file: string): Promise<boolean> {
  const found = await lstat(file).catch(() => undefined); // not there: it will be a plain file
  return found === undefined || found.isFile();
}

/**
 * Writes text to `file`, whole or not at all: it bears another name until it is complete. What is
 * not a plain file (a pipe, /dev/stdout) is written as it comes. @throws UsageFault
 */
export async function writeTarget(
  file: string,
  pieces: AsyncIterable<string>,
  signal?: AbortSignal,
): Promise<void> {
  const until = signal === undefined ? {} : { signal };
  if (file === '-') {
    await pipeline(Readable.from(pieces), process.stdout, { end: false, ...until }).catch(
      (error) => {
        throw failure('stdout', error);
      },
    );
    return;
  }
  const plain = await isPlain(file);
  const target = plain ? `${file}.part` : file;
  try {
    await pipeline(Readable.from(pieces), createWriteStream(target, { mode, flush: plain }), until);
    if (plain) await rename(target, file);
  } catch (error) {
    if (plain) await rm(target, { force: true });
    throw failure(file, error);
  }
}

/** A fault of the file's side; what the books' side threw stays what it is. */
function failure(file: string, error: unknown): unknown {
  const { syscall, code } = error as NodeJS.ErrnoException;
  const ofFile =
    code === 'EPIPE' || (syscall !== undefined && /^(open|write|rename|fsync)$/.test(syscall));
  return ofFile ? unwritable(file, error) : error;
}
