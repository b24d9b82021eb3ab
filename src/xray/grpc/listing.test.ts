import { expect, test } from 'vitest';
import { generateCredentialId } from '../../kernel/ids.ts';
import type { ListedUser, UserProtocol } from '../port.ts';
import { encodeAccount } from './contract.ts';
import { parseUserList } from './listing.ts';
import { wire } from './wire.js';

const protocols: readonly UserProtocol[] = ['vless', 'vmess', 'trojan'];
const ids = Array.from({ length: 6 }, generateCredentialId);
const users = ids.map((id, at) => ({
  level: 0,
  email: `Acme-${id}`,
  account: encodeAccount(protocols[at % 3] as UserProtocol, id, ''),
}));
const message = Buffer.from(wire.InboundUsers.encode({ users }).finish());
const listed: ListedUser[] = ids.map((id) => ({ name: `acme-${id}`, id, flow: '' }));

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readUsers(pieces: AsyncIterable<Buffer>): Promise<ListedUser[]> {
  const found: ListedUser[] = [];
  for await (const slice of parseUserList('10.0.0.2:10085', pieces)) found.push(...slice);
  return found;
}

test.each([1, 2, 13, 64, 131, 132, 10_000])(
  'a list in pieces of %i bytes is complete',
  async (size) => {
    expect(await readUsers(cut(message, size))).toEqual(listed);
  },
);

test('a slice has 1,000 users, and the last one has the rest', async () => {
  const many = Array.from({ length: 2_500 }, () => users[0] as wire.User.$Shape);
  const bytes = Buffer.from(wire.InboundUsers.encode({ users: many }).finish());
  const sizes: number[] = [];
  for await (const slice of parseUserList('node', cut(bytes, 16_384))) sizes.push(slice.length);
  expect(sizes.slice(0, -1).every((size) => size >= 1_000 && size < 1_300)).toBe(true);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(2_500);
});

const garbage = { kind: 'permanent', code: 'node_garbage' };

test.each<[string, Buffer]>([
  ['cut off within a user', message.subarray(0, -1)],
  ['cut off within a length', Buffer.concat([message, Buffer.from([10])])],
  ['of another field', Buffer.concat([message, Buffer.from([18, 0])])],
  ['of a number without an end', Buffer.alloc(20, 0xff)],
  ['of a user of 16 MB', Buffer.from([10, 0x80, 0x80, 0x80, 0x08, 1])],
  ['of a user that is none', Buffer.from([10, 2, 0xff, 0xff])],
])('a list %s is garbage, and no shorter list', async (_, bytes) => {
  await expect(readUsers(cut(bytes, 50))).rejects.toMatchObject(garbage);
  await expect(readUsers(cut(bytes, 1))).rejects.toMatchObject(garbage);
});
