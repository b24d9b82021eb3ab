import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { Connection } from '../../db/alone.ts';
import { readUserName } from '../../xray/names.ts';
import type { ListedUser, NodeApi } from '../../xray/port.ts';

// What a node holds, slice by slice into a temporary table: our memory doesn't grow with the number
// of its users, but for the answer itself. Each inbound is asked for before its COPY begins, so that
// no statement waits for a network.

const special = /[\0\\\t\n\r]/;

/** A backslash and the characters that end a value or a line; text has no NUL in PostgreSQL. */
function copyText(text: string): string {
  if (!special.test(text)) return text;
  return text
    .replaceAll('\0', '')
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', '\\t')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r');
}

const nothing = '\\N';

function lineOf(inbound: number, { name, id, flow }: ListedUser, installation: string): string {
  const ours = readUserName(name, installation);
  const theirs = ours === undefined ? copyText(name) : nothing;
  return `${inbound}\t${theirs}\t${ours ?? nothing}\t${id ?? nothing}\t${copyText(flow)}\n`;
}

export interface Listing {
  readonly inbounds: readonly string[];
  readonly installation: string;
  readonly signal: AbortSignal;
  readonly onUsers?: ((users: number) => void) | undefined;
}

/**
 * Lists these inbounds into `listed`, numbered by their place.
 * @returns how many users that were; @throws Fault of the node
 */
export async function listInto(
  { client }: Connection,
  api: NodeApi,
  { inbounds, installation, signal, onUsers }: Listing,
): Promise<number> {
  let users = 0;
  for (const [at, tag] of inbounds.entries()) {
    const slices = api.listUsers(tag, { signal })[Symbol.asyncIterator]();
    let slice = await slices.next(); // the answer is here now
    const lines = async function* (): AsyncGenerator<string> {
      for (; slice.done !== true; slice = await slices.next()) {
        users += slice.value.length;
        onUsers?.(users);
        yield slice.value.map((user) => lineOf(at, user, installation)).join('');
      }
    };
    await pipeline(
      Readable.from(lines(), { objectMode: false }),
      client.query(copyFrom('COPY listed FROM STDIN')),
    );
  }
  return users;
}
