import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { cancelOnAbort, openSingleConnection } from '../db/single-connection.ts';
import { UsageFault } from '../kernel/faults.ts';
import { backupFirstLine, backupLastLine } from './backup.ts';

// Reads a backup into an empty database as psql does: SQL statements, and the lines after a COPY as
// its data. The file itself begins and commits the one transaction.

export interface RestoreRequest {
  readonly url: string;
  readonly source: AsyncIterable<Buffer>;
  readonly signal?: AbortSignal;
  readonly onRows?: (rows: number) => void;
}

/** @throws UsageFault `not_empty`, `not_a_backup`, `cut_off`; the database stays unchanged */
export async function restoreBackup(request: RestoreRequest): Promise<{ readonly rows: number }> {
  await using connection = await openSingleConnection(request.url);
  const { client } = connection;
  using _ = cancelOnAbort(request.signal, request.url, client);
  await requireEmptyDatabase(client);
  let [text, rows, last] = ['', 0, ''];
  let copy: CopyStream | undefined;
  let isFirst = true;
  const input = Readable.from(request.source, { objectMode: false });
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  // The loop below throws an error of the source. A later error has no reader.
  lines.on('error', () => undefined);
  for await (const line of lines) {
    request.signal?.throwIfAborted();
    if (isFirst && line !== backupFirstLine) throw createNotABackupFault();
    isFirst = false;
    if (line !== '') last = line;
    if (copy !== undefined) {
      if (line === '\\.') copy = await copy.end();
      else await copy.add(`${line}\n`);
      rows += copy === undefined ? 0 : 1;
      request.onRows?.(rows);
    } else if (/^COPY perennial\..* FROM stdin;$/.test(line)) {
      await client.query(text);
      text = '';
      copy = startCopy(client, line.slice(0, -1));
    } else text += `${line}\n`;
  }
  if (isFirst) throw createNotABackupFault();
  if (last !== backupLastLine) throw createCutOffFault();
  const end = text.indexOf('ANALYZE;');
  await client.query(text.slice(0, end));
  await client.query(text.slice(end));
  return { rows };
}

interface CopyStream {
  add(line: string): Promise<void>;
  end(): Promise<undefined>;
}

/** Lines are sent in blocks of 64 kB; the next call throws an error of the server. */
function startCopy(client: pg.Client, statement: string): CopyStream {
  const stream = client.query(copyFrom(statement.replace('stdin', 'STDIN')));
  let failed: Error | undefined;
  stream.on('error', (error) => {
    failed = error;
  });
  let buffer = '';
  const flush = async (): Promise<void> => {
    if (failed !== undefined) throw failed;
    const isAccepted = buffer === '' || stream.write(buffer);
    buffer = '';
    if (!isAccepted) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
  };
  return {
    async add(line) {
      buffer += line;
      if (buffer.length > 64 * 1024) await flush();
    },
    async end() {
      await flush();
      const finished = once(stream, 'finish');
      stream.end();
      await finished;
      return undefined;
    },
  };
}

async function requireEmptyDatabase(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    "SELECT to_regnamespace('perennial') IS NOT NULL AS there, current_database() AS name",
  );
  const [{ there, name }] = rows as [{ there: boolean; name: string }];
  if (!there) return;
  throw new UsageFault(
    'not_empty',
    `database ${name}: has a schema "perennial" already; restore into an empty database or data folder`,
  );
}

const createNotABackupFault = (): UsageFault =>
  new UsageFault('not_a_backup', 'the file is not a backup of "perennial backup"');

const createCutOffFault = (): UsageFault =>
  new UsageFault('cut_off', 'the backup is cut off before its end; nothing was restored');
