import type protobuf from 'protobufjs/minimal.js';
import { foreignName, foreignText } from '../../kernel/foreign-text.ts';
import { readCredentialId } from '../names.ts';
import type { ListedUser } from '../port.ts';
import { decoded, readerOf } from './call.ts';
import { accountTypes } from './contract.ts';
import { garbage } from './status.ts';
import { wire } from './wire.js';

// A list of users is one message: 10 MB for 100,000 users, 131 MB for a million. It is read while it
// arrives, so memory holds only one slice and the pending data.

const sliceMax = 1_000;

/** Five times the largest supported node. */
export const listUsersMax = 5_000_000;
/** 200 bytes for each user. A user of Perennial takes 131. */
export const listMaxBytes = 1_000 * 1_024 * 1_024;

/** Field 1, length-delimited: a user. */
const userTag = 10;

function listed(api: string, user: wire.User.$Shape): ListedUser {
  const name = foreignName((user.email ?? '').toLowerCase());
  const { type, value } = user.account ?? {};
  const bytes = value ?? new Uint8Array();
  switch (type) {
    case accountTypes.vless: {
      const { id, flow } = decoded(api, wire.VlessAccount, bytes);
      return { name, id: readCredentialId(id), flow: foreignText(flow) };
    }
    case accountTypes.vmess:
      return { name, id: readCredentialId(decoded(api, wire.VmessAccount, bytes).id), flow: '' };
    case accountTypes.trojan: {
      const { password } = decoded(api, wire.TrojanAccount, bytes);
      return { name, id: readCredentialId(password), flow: '' };
    }
    default:
      return { name, id: undefined, flow: '' };
  }
}

/** The user in the answer about one name. A missing user is an empty entry. @throws Fault node_garbage */
export function named(api: string, name: string, bytes: Uint8Array): ListedUser | undefined {
  const users = decoded(api, wire.InboundUsers, bytes).users ?? [];
  return users.map((user) => listed(api, user)).find((user) => user.name === name);
}

/** No user is larger. A larger length is garbage, and the client does not wait for it. */
const userMaxBytes = 1_024 * 1_024;

/** @param pieces of the message. @throws Fault node_garbage, and those of `pieces` */
export async function* slices(
  api: string,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<ListedUser[]> {
  let rest: Buffer = Buffer.alloc(0);
  let slice: ListedUser[] = [];
  let count = 0;
  for await (const piece of pieces) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const { users, read } = usersIn(api, rest);
    rest = rest.subarray(read);
    count += users.length;
    if (count > listUsersMax) throw garbage(api, new Error(`more than ${listUsersMax} users`));
    slice.push(...users);
    if (slice.length < sliceMax) continue;
    yield slice;
    slice = [];
  }
  if (rest.length > 0) throw garbage(api, new Error('the last user is cut off'));
  if (slice.length > 0) yield slice;
}

/** The complete users. @returns also their size in bytes */
function usersIn(api: string, bytes: Buffer): { users: ListedUser[]; read: number } {
  const reader = readerOf(bytes);
  const users: ListedUser[] = [];
  let read = 0;
  for (; reader.pos < reader.len; read = reader.pos) {
    const length = lengthOfNext(api, reader);
    if (length === undefined || length > reader.len - reader.pos) break;
    users.push(listed(api, whole(api, reader, length)));
  }
  return { users, read };
}

function whole(api: string, reader: protobuf.Reader, length: number): wire.User.$Shape {
  try {
    return wire.User.decode(reader, length);
  } catch (cause) {
    throw garbage(api, cause);
  }
}

/** The header of the next field; undefined: incomplete. */
function lengthOfNext(api: string, reader: protobuf.Reader): number | undefined {
  const tag = numberAt(reader);
  // The only field of the response.
  if (tag !== undefined && tag !== userTag) throw garbage(api, new Error(`a field of tag ${tag}`));
  const length = tag === undefined ? undefined : numberAt(reader);
  if (length === undefined || length <= userMaxBytes) return length;
  throw garbage(api, new Error(`a user of ${length} bytes`));
}

/** undefined: incomplete. */
function numberAt(reader: protobuf.Reader): number | undefined {
  const end = Math.min(reader.len, reader.pos + varintMaxBytes);
  const ends = reader.buf.subarray(reader.pos, end).findIndex((byte) => byte < 0x80);
  if (ends >= 0) return reader.uint32();
  return end - reader.pos === varintMaxBytes ? Number.POSITIVE_INFINITY : undefined;
}

const varintMaxBytes = 10;
