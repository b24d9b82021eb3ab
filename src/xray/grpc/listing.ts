import type protobuf from 'protobufjs/minimal.js';
import { foreignName, foreignText } from '../../kernel/foreign-text.ts';
import type { ListedUser } from '../port.ts';
import { tryParseCredentialId } from '../user-names.ts';
import { createReader, decodeMessage } from './call.ts';
import { accountTypes } from './contract.ts';
import { createNodeGarbageFault } from './status.ts';
import { wire } from './wire.js';

// A list of users is one message: 10 MB for 100,000 users, 131 MB for a million. It is read while
// it arrives, so memory holds only one slice and the pending data.

const sliceMax = 1_000;

/** Five times the largest supported node. */
export const listUsersMax = 5_000_000;
/** 200 bytes for each user. A user of Perennial takes 131. */
export const listMaxBytes = 1_000 * 1_024 * 1_024;

/** Field 1, length-delimited: a user. */
const userTag = 10;

function toListedUser(api: string, user: wire.User.$Shape): ListedUser {
  const name = foreignName((user.email ?? '').toLowerCase());
  const { type, value } = user.account ?? {};
  const bytes = value ?? new Uint8Array();
  switch (type) {
    case accountTypes.vless: {
      const { id, flow } = decodeMessage(api, wire.VlessAccount, bytes);
      return { name, id: tryParseCredentialId(id), flow: foreignText(flow) };
    }
    case accountTypes.vmess:
      return {
        name,
        id: tryParseCredentialId(decodeMessage(api, wire.VmessAccount, bytes).id),
        flow: '',
      };
    case accountTypes.trojan: {
      const { password } = decodeMessage(api, wire.TrojanAccount, bytes);
      return { name, id: tryParseCredentialId(password), flow: '' };
    }
    default:
      return { name, id: undefined, flow: '' };
  }
}

/**
 * The user in the answer about one name. A missing user is an empty entry.
 * @throws Fault node_garbage
 */
export function parseFoundUser(
  api: string,
  name: string,
  bytes: Uint8Array,
): ListedUser | undefined {
  const users = decodeMessage(api, wire.InboundUsers, bytes).users ?? [];
  return users.map((user) => toListedUser(api, user)).find((user) => user.name === name);
}

/** No user is larger. A larger length is garbage, and the client does not wait for it. */
const userMaxBytes = 1_024 * 1_024;

/** @param pieces of the message. @throws Fault node_garbage, and those of `pieces` */
export async function* parseUserList(
  api: string,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<ListedUser[]> {
  let pending: Buffer = Buffer.alloc(0);
  let slice: ListedUser[] = [];
  let count = 0;
  for await (const piece of pieces) {
    pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
    const { users, read } = parseUsers(api, pending);
    pending = pending.subarray(read);
    count += users.length;
    if (count > listUsersMax)
      throw createNodeGarbageFault(api, new Error(`more than ${listUsersMax} users`));
    slice.push(...users);
    if (slice.length < sliceMax) continue;
    yield slice;
    slice = [];
  }
  if (pending.length > 0)
    throw createNodeGarbageFault(api, new Error('the last user is incomplete'));
  if (slice.length > 0) yield slice;
}

/** The complete users. @returns also their size in bytes */
function parseUsers(api: string, bytes: Buffer): { users: ListedUser[]; read: number } {
  const reader = createReader(bytes);
  const users: ListedUser[] = [];
  let read = 0;
  for (; reader.pos < reader.len; read = reader.pos) {
    const length = parseFieldLength(api, reader);
    if (length === undefined || length > reader.len - reader.pos) break;
    users.push(toListedUser(api, decodeUser(api, reader, length)));
  }
  return { users, read };
}

function decodeUser(api: string, reader: protobuf.Reader, length: number): wire.User.$Shape {
  try {
    return wire.User.decode(reader, length);
  } catch (cause) {
    throw createNodeGarbageFault(api, cause);
  }
}

/** The header of the next field; undefined: incomplete. */
function parseFieldLength(api: string, reader: protobuf.Reader): number | undefined {
  const tag = parseVarint(reader);
  // The only field of the response.
  if (tag !== undefined && tag !== userTag)
    throw createNodeGarbageFault(api, new Error(`a field of tag ${tag}`));
  const length = tag === undefined ? undefined : parseVarint(reader);
  if (length === undefined || length <= userMaxBytes) return length;
  throw createNodeGarbageFault(api, new Error(`a user of ${length} bytes`));
}

/** undefined: incomplete. */
function parseVarint(reader: protobuf.Reader): number | undefined {
  const end = Math.min(reader.len, reader.pos + varintMaxBytes);
  const endIndex = reader.buf.subarray(reader.pos, end).findIndex((byte) => byte < 0x80);
  if (endIndex >= 0) return reader.uint32();
  return end - reader.pos === varintMaxBytes ? Number.POSITIVE_INFINITY : undefined;
}

const varintMaxBytes = 10;
