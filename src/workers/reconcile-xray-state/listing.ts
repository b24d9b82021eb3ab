import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { SingleConnection } from '../../db/single-connection.ts';
import type { ListedUser, NodeApi } from '../../xray/port.ts';
import { tryParseUserName } from '../../xray/user-names.ts';

// Reads the users of a node into a temporary table while the answer arrives.
//
// Memory does not grow with the number of users. Each COPY has complete data, so no statement waits
// for a network. While the server processes one COPY, the next one is gathered.

/** The size of a COPY: about 6,000 users. */
const copyMaxBytes = 512 * 1_024;

const special = /[\0\\\t\n\r]/;

/**
 * Escapes backslashes and the characters that end a value or a line. A text in PostgreSQL has no
 * NUL.
 */
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
  // Nearly all users are ours with their own UUID. The reader of the answer checked that already.
  const ours =
    id !== undefined && name === `${installation}-${id}`
      ? id
      : tryParseUserName(name, installation);
  const foreignName = ours === undefined ? escapeCopyText(name) : nullText;
  return `${inbound}\t${foreignName}\t${ours ?? nullText}\t${id ?? nullText}\t${escapeCopyText(flow)}\n`;
}

export interface Listing {
  readonly inbounds: readonly string[];
  /** These must have none of our users. Only our users are listed, after those of `inbounds`. */
  readonly formerInbounds?: readonly string[];
  readonly installation: string;
  readonly signal: AbortSignal;
  readonly onUsers?: ((users: number) => void) | undefined;
}

/**
 * Lists these inbounds into `listed`, numbered by their position.
 * @returns the number of users
 * @throws Fault of the node
 */
export async function listInto(
  { client }: SingleConnection,
  api: NodeApi,
  { inbounds, formerInbounds = [], installation, signal, onUsers }: Listing,
): Promise<number> {
  let users = 0;
  let [lines, bytes] = [[] as string[], 0];
  let copying: Promise<unknown> = Promise.resolve();
  /** Waits for the previous COPY. @throws the fault of the previous COPY */
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
