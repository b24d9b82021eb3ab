import { readCredentialId } from '../names.ts';
import type { ListedUser } from '../port.ts';
import { decoded, readerOf } from './call.ts';
import { accountTypes } from './contract.ts';
import { garbage } from './status.ts';
import { wire } from './wire.js';

// A list of users comes as one message, 10 MB for 100,000 of them. Decoded in one go it would hold
// up everything else for a third of a second; in slices it never does for more than a few ms.

const sliceMax = 1_000;

/** Field 1, length-delimited: a user. */
const userTag = 10;

function listed(api: string, user: wire.User.$Shape): ListedUser {
  const name = (user.email ?? '').toLowerCase();
  const { type, value } = user.account ?? {};
  const bytes = value ?? new Uint8Array();
  switch (type) {
    case accountTypes.vless: {
      const { id, flow } = decoded(api, wire.VlessAccount, bytes);
      return { name, id: readCredentialId(id), flow };
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

/** The one of that name in an answer about it: nobody is an entry without a name. @throws Fault node_garbage */
export function named(api: string, name: string, bytes: Uint8Array): ListedUser | undefined {
  const users = decoded(api, wire.InboundUsers, bytes).users ?? [];
  return users.map((user) => listed(api, user)).find((user) => user.name === name);
}

/** @throws Fault node_garbage */
export async function* slices(api: string, bytes: Uint8Array): AsyncGenerator<ListedUser[]> {
  const reader = readerOf(bytes);
  const nextUser = (): wire.User.$Shape | undefined => {
    try {
      const tag = reader.uint32();
      if (tag === userTag) return wire.User.decode(reader, reader.uint32());
      reader.skipType(tag & 7);
      return undefined;
    } catch (cause) {
      throw garbage(api, cause);
    }
  };
  while (reader.pos < reader.len) {
    const slice: ListedUser[] = [];
    while (reader.pos < reader.len && slice.length < sliceMax) {
      const user = nextUser();
      if (user !== undefined) slice.push(listed(api, user));
    }
    if (slice.length > 0) yield slice;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
