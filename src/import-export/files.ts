import { createReadStream, createWriteStream, open } from 'node:fs';
import { lstat, rename, rm, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { errnoTexts } from '../db/faults.ts';
import { UsageFault } from '../kernel/faults.ts';

// The source and the target of an import, export or backup: a file, or `-` for the standard
// streams.

export interface InputSource extends Disposable {
  readonly bytes: AsyncIterable<Buffer>;
  /** Undefined for a pipe. */
  readonly size: number | undefined;
  /** Ends a read that waits for bytes; the reader gets an error. */
  close(): void;
}

function createUnreadableFault(file: string, error: unknown): UsageFault {
  const { code, message } = error as NodeJS.ErrnoException;
  return new UsageFault('no_file', `${file}: can't be read (${code ?? message})`, error);
}

function createUnwritableFault(file: string, error: unknown): UsageFault {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = (code && errnoTexts[code]) ?? code ?? message;
  return new UsageFault('no_output', `${file}: can't be written (${reason})`, error);
}

/** Large enough for few rounds of the event loop. */
const chunkBytes = 256 * 1024;

async function* readChunks(file: string, stream: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw createUnreadableFault(file, error);
  }
}

function toInputSource(file: string, stream: Readable, size: number | undefined): InputSource {
  const close = () => void stream.destroy();
  return { bytes: readChunks(file, stream), size, close, [Symbol.dispose]: close };
}

/** @throws UsageFault if the file cannot be read, also later during the read */
export async function openSource(file: string): Promise<InputSource> {
  if (file === '-') return toInputSource('stdin', process.stdin, undefined);
  try {
    const stats = await stat(file);
    // A folder opens, and fails at the first read. An unreadable file fails at once.
    if (stats.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    const fd = await promisify(open)(file, 'r');
    // A read of an idle pipe in the thread pool cannot be cancelled; a read of a socket can.
    if (stats.isFIFO()) return toInputSource(file, new Socket({ fd, writable: false }), undefined);
    const stream = createReadStream(file, { fd, highWaterMark: chunkBytes });
    return toInputSource(file, stream, stats.isFile() ? stats.size : undefined);
  } catch (error) {
    throw createUnreadableFault(file, error);
  }
}

/** The content has secrets, so only the owner may read the file. */
const fileMode = 0o600;

async function isPlainFile(file: string): Promise<boolean> {
  const stats = await lstat(file).catch(() => undefined); // not there: it will be a plain file
  return stats === undefined || stats.isFile();
}

/**
 * Writes text to `file`, completely or not at all: it has another name until it is complete. A pipe
 * or a device is written directly. @throws UsageFault
 */
export async function writeTarget(
  file: string,
  pieces: AsyncIterable<string>,
  signal?: AbortSignal,
): Promise<void> {
  const signalOption = signal === undefined ? {} : { signal };
  if (file === '-') {
    await pipeline(Readable.from(pieces), process.stdout, { end: false, ...signalOption }).catch(
      (error) => {
        throw toFault('stdout', error);
      },
    );
    return;
  }
  const isPlainTarget = await isPlainFile(file);
  const target = isPlainTarget ? `${file}.part` : file;
  try {
    await pipeline(
      Readable.from(pieces),
      createWriteStream(target, { mode: fileMode, flush: isPlainTarget }),
      signalOption,
    );
    if (isPlainTarget) await rename(target, file);
  } catch (error) {
    if (isPlainTarget) await rm(target, { force: true });
    throw toFault(file, error);
  }
}

/** A fault of the file. Faults of the database stay unchanged. */
function toFault(file: string, error: unknown): unknown {
  const { syscall, code } = error as NodeJS.ErrnoException;
  const isFileError =
    code === 'EPIPE' || (syscall !== undefined && /^(open|write|rename|fsync)$/.test(syscall));
  return isFileError ? createUnwritableFault(file, error) : error;
}
