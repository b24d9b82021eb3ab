import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { SingleConnection } from '../../db/single-connection.ts';
import type { ListedUser, NodeApi } from '../../xray/port.ts';
import { tryParseUserName } from '../../xray/user-names.ts';

// What a node holds, into a temporary table while its answer comes: what is held is little, whatever
// the number of users. Each COPY is of what is here, so that no statement waits for a network; while
// the server works on one, the next is gathered.

/** Held before they are copied: 6,000 users or so. */
const copyMaxBytes = 512 * 1_024;

const special = /[\0\\\t\n\r]/;

/** A backslash and the characters that end a value or a line; text has no NUL in PostgreSQL. */
function escapeCopyText(text: string): string {
  if (!special.test(text)) return text;
  return text
    .replaceAll('\0', '')
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', '\\t')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r');
}

const nullText = '\\N';

function formatLine(inbound: number, { name, id, flow }: ListedUser, installation: string): string {
  // Nearly all are ours, with their own UUID: that was looked at when the answer was read.
  const ours =
    id !== undefined && name === `${installation}-${id}`
      ? id
      : tryParseUserName(name, installation);
  const foreignName = ours === undefined ? escapeCopyText(name) : nullText;
  return `${inbound}\t${foreignName}\t${ours ?? nullText}\t${id ?? nullText}\t${escapeCopyText(flow)}\n`;
}

export interface Listing {
  readonly inbounds: readonly string[];
  /** Nobody of ours is to be there any more: only ours are listed, behind `inbounds`. */
  readonly formerInbounds?: readonly string[];
  readonly installation: string;
  readonly signal: AbortSignal;
  readonly onUsers?: ((users: number) => void) | undefined;
}

/**
 * Lists these inbounds into `listed`, numbered by their place.
 * @returns how many users that were; @throws Fault of the node
 */
export async function listInto(
  { client }: SingleConnection,
  api: NodeApi,
  { inbounds, formerInbounds = [], installation, signal, onUsers }: Listing,
): Promise<number> {
  let users = 0;
  let [lines, bytes] = [[] as string[], 0];
  let copying: Promise<unknown> = Promise.resolve();
  /** When the one before is through. @throws what became of that one */
  const copy = async (): Promise<void> => {
    const text = lines.join('');
    [lines, bytes] = [[], 0];
    const fault = await copying;
    if (fault !== undefined) throw fault;
    const into = client.query(copyFrom('COPY listed FROM STDIN'));
    copying = pipeline([Buffer.from(text)], into).then(
      () => undefined,
      (error: unknown) => error,
    );
  };
  for (const [at, tag] of [...inbounds, ...formerInbounds].entries()) {
    const isFormer = at >= inbounds.length;
    for await (const slice of api.listUsers(tag, { signal })) {
      const listed = isFormer ? slice.filter(({ name }) => isOurs(name, installation)) : slice;
      users += listed.length;
      onUsers?.(users);
      const text = listed.map((user) => formatLine(at, user, installation)).join('');
      lines.push(text);
      bytes += text.length;
      if (bytes >= copyMaxBytes) await copy();
    }
  }
  await copy();
  const fault = await copying;
  if (fault !== undefined) throw fault;
  return users;
}

function isOurs(name: string, installation: string): boolean {
  return tryParseUserName(name, installation) !== undefined;
}
