import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CredentialId } from '../../../src/kernel/ids.ts';
import { generateCredentialId } from '../../../src/kernel/ids.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import {
  addUserType,
  handlerService,
  methodPaths,
  statsService,
} from '../../../src/xray/grpc/contract.ts';
import { wire } from '../../../src/xray/grpc/wire.js';
import type { ListedUser, NodeApi, NodeUser } from '../../../src/xray/port.ts';
import { formatUserName } from '../../../src/xray/user-names.ts';
import {
  listContractNodes,
  managedInbounds,
  type RunningNode,
} from '../../support/contract-nodes.ts';
import {
  accounts,
  openRawNode,
  type RawNode,
  type RawResponse,
} from '../../support/raw-xray-calls.ts';

// One contract for the embedded node and a real Xray (docs/xray-facts.md).

const done = Buffer.alloc(0);
const toRefusal = (details: string, code = 2) => ({ code, details });
const dropped = { code: 14, details: expect.stringMatching(/Connection dropped|ECONNRESET/) };
const failedToParse = 'app/proxyman/command: failed to parse user';
const origins = { vless: 'proxy/vless', vmess: 'proxy/vmess/inbound', trojan: 'proxy/trojan' };

const createUser = (
  id: CredentialId = generateCredentialId(),
  name = formatUserName('acme', id),
): NodeUser => ({ name, id, flow: '' });

async function readAllUsers(node: NodeApi, tag: string): Promise<ListedUser[]> {
  const found: ListedUser[] = [];
  for await (const slice of node.listUsers(tag)) found.push(...slice);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const parseUsers = (answer: RawResponse): readonly { email?: string | null }[] =>
  Buffer.isBuffer(answer) ? (wire.InboundUsers.decode(answer).users ?? []) : [];

for (const { title, missing, start } of listContractNodes('the contract of nodes')) {
  describe.skipIf(missing !== undefined)(title, () => describeContract(start));
}

function describeContract(start: () => Promise<RunningNode>): void {
  let running: RunningNode;
  let node: NodeApi;
  let raw: RawNode;

  const connectAgain = (): void => {
    node?.close();
    raw?.close();
    node = connectNode(running);
    raw = openRawNode(running.api);
  };
  beforeAll(async () => {
    running = await start();
    connectAgain();
  });
  afterAll(async () => {
    node.close();
    raw.close();
    await running.stop();
  });

  test('returns its uptime in whole seconds', async () => {
    const { uptimeS, goroutines, heapBytes } = await node.readHealth();
    expect(uptimeS).toBeLessThan(60);
    expect(uptimeS).toSatisfy(Number.isInteger);
    expect(goroutines).toBeGreaterThan(0);
    expect(heapBytes).toBeGreaterThan(0);
  });

  test('returns its inbounds, their protocols, and if their users can be managed', async () => {
    const found = await node.readInbounds();
    expect(found.toSorted((a, b) => (a.tag < b.tag ? -1 : 1))).toEqual([
      { tag: 'door', manages: false, type: 'xray.proxy.dokodemo.Config' },
      { tag: 'trojan-a', manages: true, protocol: 'trojan' },
      { tag: 'vless-a', manages: true, protocol: 'vless' },
      { tag: 'vless-b', manages: true, protocol: 'vless' },
      { tag: 'vmess-a', manages: true, protocol: 'vmess' },
    ]);
  });

  describe.each(managedInbounds)('%s', (tag, protocol) => {
    const says = (text: string) => toRefusal(`${origins[protocol]}: ${text}`);

    test('a user is added once, listed with name, UUID and flow, and removed once', async () => {
      const before = await node.countUsers(tag);
      const user: NodeUser = { ...createUser(), flow: 'xtls-rprx-vision' };
      expect(await node.addUser(tag, user)).toBe('added');
      expect(await node.addUser(tag, user)).toBe('already_there');
      expect(await node.countUsers(tag)).toBe(before + 1);
      const flow = protocol === 'vless' ? 'xtls-rprx-vision' : '';
      expect(await readAllUsers(node, tag)).toContainEqual({ ...user, flow });
      expect(await node.removeUser(tag, user.name)).toBe('removed');
      expect(await node.removeUser(tag, user.name)).toBe('not_there');
      expect(await node.countUsers(tag)).toBe(before);
    });

    test('an add of an existing name keeps its UUID', async () => {
      const user = createUser();
      await node.addUser(tag, user);
      expect(await node.addUser(tag, { ...user, id: generateCredentialId() })).toBe(
        'already_there',
      );
      expect(await readAllUsers(node, tag)).toContainEqual(user);
      await node.removeUser(tag, user.name);
    });

    test('names ignore case, and errors quote them as they were sent', async () => {
      const name = `case-${generateCredentialId()}`;
      const upper = name.toUpperCase();
      expect(await raw.add(tag, upper, accounts[protocol](generateCredentialId()))).toEqual(done);
      expect(await raw.add(tag, name, accounts[protocol](generateCredentialId()))).toEqual(
        says(`User ${name} already exists.`),
      );
      expect(parseUsers(await raw.users(tag, name))).toMatchObject([{ email: upper }]);
      expect((await readAllUsers(node, tag)).map((user) => user.name)).toContain(name);
      expect(await raw.remove(tag, name)).toEqual(done);
      expect(await raw.remove(tag, upper)).toEqual(says(`User ${upper} not found.`));
    });

    test('a missing user is listed as one empty user', async () => {
      expect(parseUsers(await raw.users(tag, 'nobody'))).toEqual([new wire.User()]);
    });

    test('a user is found by name, with its UUID; a missing user is not found', async () => {
      const user = createUser();
      expect(await node.findUser(tag, user.name)).toBeUndefined();
      await node.addUser(tag, user);
      expect(await node.findUser(tag, user.name)).toEqual(user);
      await node.removeUser(tag, user.name);
      expect(await node.findUser(tag, user.name)).toBeUndefined();
    });

    test('a foreign name of any form is found and removed', async () => {
      const id = generateCredentialId();
      const name = `Иван ${id} >>> x`;
      expect(await raw.add(tag, name, accounts[protocol](id))).toEqual(done);
      const listed = (await readAllUsers(node, tag)).find((user) => user.id === id);
      expect(await node.findUser(tag, listed?.name ?? '')).toEqual(listed);
      expect(await node.removeUser(tag, listed?.name ?? '')).toBe('removed');
      expect((await readAllUsers(node, tag)).map((user) => user.id)).not.toContain(id);
    });

    test('an empty name can be added twice, and never removed', async () => {
      const before = await node.countUsers(tag);
      expect(await raw.add(tag, '', accounts[protocol](generateCredentialId()))).toEqual(done);
      expect(await raw.add(tag, '', accounts[protocol](generateCredentialId()))).toEqual(done);
      expect(await raw.remove(tag, '')).toEqual(says('Email must not be empty.'));
      expect(await node.countUsers(tag)).toBe(before + (protocol === 'vmess' ? 2 : 0));
    });

    test('reports the fault of an account', async () => {
      const bare = (type: string) => ({ type, value: new Uint8Array() });
      const unread = { ...accounts[protocol](generateCredentialId()), value: Uint8Array.of(0xff) };
      expect(await raw.add(tag, 'u', undefined)).toEqual(
        toRefusal(`${failedToParse} > common/protocol: Account is missing`),
      );
      expect(await raw.add(tag, 'u', bare('xray.nothing'))).toEqual(
        toRefusal(`${failedToParse} > proto: not found`),
      );
      expect(await raw.add(tag, 'u', bare('xray.common.protocol.User'))).toEqual(
        toRefusal(
          `${failedToParse} > common/protocol: Unknown account type: xray.common.protocol.User`,
        ),
      );
      expect(await raw.add(tag, 'u', unread)).toEqual(
        toRefusal(`${failedToParse} > proto: cannot parse invalid wire-format data`),
      );
    });

    test('two names with one UUID are both listed', async () => {
      const id = generateCredentialId();
      const [one, two] = [createUser(id, `one-${id}`), createUser(id, `two-${id}`)];
      expect(await node.addUser(tag, one)).toBe('added');
      expect(await node.addUser(tag, two)).toBe('added');
      expect(await node.removeUser(tag, one.name)).toBe('removed');
      expect(await readAllUsers(node, tag)).toContainEqual(two);
      expect(await node.removeUser(tag, two.name)).toBe('removed');
    });
  });

  describe.each(managedInbounds.filter(([, protocol]) => protocol !== 'trojan'))(
    '%s',
    (tag, protocol) => {
      test('accepts the same invalid UUIDs as Xray', async () => {
        const strange: [string, string | undefined][] = [
          ['abc', 'b01d8779-68c6-576d-bef4-26488c9c9223'],
          ['AAAAAAAABBBB4CCC8DDDEEEEEEEEEEEE', 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'],
          ['11111111-22224333-8444-55555555555599', undefined],
          ['11111111-22224333-8444-5555555555559', '11111111-2222-4333-8444-555555555555'],
          [`${'1'.repeat(35)}z`, '11111111-1111-1111-1111-111111111111'],
          ['x'.repeat(31), undefined],
          ['1'.repeat(37), undefined],
          ['', undefined],
        ];
        for (const [text, id] of strange) {
          const name = `lax-${generateCredentialId()}`;
          const answer = await raw.add(tag, name, accounts[protocol](text));
          const read = (await readAllUsers(node, tag)).find((user) => user.name === name)?.id;
          expect([text, read, Buffer.isBuffer(answer)]).toEqual([text, id, id !== undefined]);
          if (id !== undefined) await raw.remove(tag, name);
        }
      });

      test('reports the fault of a UUID', async () => {
        const wrong = `${failedToParse} > proxy/${protocol}: failed to parse ID > `;
        const long = '1'.repeat(37);
        expect(await raw.add(tag, 'u', accounts[protocol](long))).toEqual(
          toRefusal(`${wrong}common/uuid: invalid UUID: ${long}`),
        );
        expect(await raw.add(tag, 'u', accounts[protocol]('z'.repeat(36)))).toEqual(
          toRefusal(`${wrong}encoding/hex: invalid byte: U+007A 'z'`),
        );
        // The text ends in a space, which HTTP/2 does not allow in a header, so nothing arrives.
        expect(await raw.add(tag, 'u', accounts[protocol](''))).toEqual(toRefusal(''));
      });
    },
  );

  test('each inbound of a node has separate users', async () => {
    const user = createUser();
    await node.addUser('vless-a', user);
    expect(await readAllUsers(node, 'vless-b')).toEqual([]);
    expect(await node.removeUser('vless-b', user.name)).toBe('not_there');
    expect(await node.removeUser('vless-a', user.name)).toBe('removed');
  });

  test('an unknown inbound is a fault, and not the same as a missing user', async () => {
    const text =
      'app/proxyman/command: failed to get handler: nope > app/proxyman/inbound: handler not found: nope';
    expect(await raw.remove('nope', 'u')).toEqual(toRefusal(text));
    expect(await raw.users('nope')).toEqual(toRefusal(text));
    const fault = { kind: 'permanent', code: 'unknown_inbound' };
    await expect(node.addUser('nope', createUser())).rejects.toMatchObject(fault);
    await expect(node.removeUser('nope', 'u')).rejects.toMatchObject(fault);
    await expect(node.removeUser('', 'u')).rejects.toMatchObject(fault);
    await expect(node.countUsers('nope')).rejects.toMatchObject(fault);
    await expect(readAllUsers(node, 'nope')).rejects.toMatchObject(fault);
  });

  test('an inbound without users is a fault', async () => {
    const text = toRefusal('app/proxyman/command: proxy is not a UserManager');
    expect(await raw.add('door', 'u', accounts.vless(generateCredentialId()))).toEqual(text);
    expect(await raw.remove('door', 'u')).toEqual(text);
    const fault = { kind: 'permanent', code: 'no_user_manager' };
    await expect(node.addUser('door', createUser())).rejects.toMatchObject(fault);
    await expect(node.removeUser('door', 'u')).rejects.toMatchObject(fault);
    await expect(node.countUsers('door')).rejects.toMatchObject(fault);
  });

  test('an unknown operation is refused before the inbound is searched', async () => {
    const unknown = toRefusal('app/proxyman/command: unknown operation > proto: not found');
    const value = new Uint8Array();
    expect(await raw.alter('nope', { type: 'xray.Nothing', value })).toEqual(unknown);
    expect(await raw.alter('vless-a', { type: '', value })).toEqual(unknown);
    expect(await raw.alter('nope', accounts.vless(generateCredentialId()))).toEqual(
      toRefusal('app/proxyman/command: not an inbound operation'),
    );
    expect(await raw.alter('vless-a', { type: addUserType, value: Uint8Array.of(0xff) })).toEqual(
      toRefusal(
        'app/proxyman/command: unknown operation > proto: cannot parse invalid wire-format data',
      ),
    );
    expect(await raw.alter('vless-a', { type: addUserType, value })).toEqual(
      toRefusal(`${failedToParse} > common/protocol: Account is missing`),
    );
  });

  test('an unreadable request and a missing counter are refused', async () => {
    expect(await raw.call(methodPaths.alterInbound, Uint8Array.of(0xff, 0xff))).toEqual(
      toRefusal(
        'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data',
        13,
      ),
    );
    const name = 'user>>>nobody>>>traffic>>>uplink';
    const request = wire.StatRequest.encode({ name }).finish();
    expect(await raw.call(`/${statsService}/GetStats`, request)).toEqual(
      toRefusal(`${name} not found.`, 5),
    );
  });

  test('it serves the method names of V2Ray', async () => {
    const path = `/${handlerService.replace('xray.', 'v2ray.core.')}/GetInboundUsersCount`;
    const request = wire.InboundUserRequest.encode({ tag: 'vless-b' }).finish();
    expect(await raw.call(path, request)).toEqual(done);
  });

  test('VMess refuses an account of another protocol, but keeps the user', async () => {
    const name = `foreign-${generateCredentialId()}`;
    expect(await raw.add('vmess-a', name, accounts.vless(generateCredentialId()))).toEqual(
      toRefusal('proxy/vmess: account type is incorrect'),
    );
    expect((await readAllUsers(node, 'vmess-a')).map((user) => user.name)).toContain(name);
    expect(await raw.add('vmess-a', name, accounts.vmess(generateCredentialId()))).toEqual(
      toRefusal(`proxy/vmess/inbound: User ${name} already exists.`),
    );
    expect(await raw.remove('vmess-a', name)).toEqual(dropped);
    await running.ended();
    await running.restart();
    connectAgain();
  });

  describe.each<[string, (raw: RawNode) => Promise<RawResponse>]>([
    ['a Trojan account for VLESS', (to) => to.add('vless-a', 'u', accounts.trojan('secret'))],
    [
      'a VLESS account for Trojan',
      (to) => to.add('trojan-a', 'u', accounts.vless(generateCredentialId())),
    ],
    ['no operation at all', (to) => to.alter('vless-a', undefined)],
  ])('%s', (_, deadly) => {
    test('crashes the node, and the connection of the caller breaks', async () => {
      expect(await deadly(raw)).toEqual(dropped);
      await running.ended();
      await running.restart();
      connectAgain();
      expect(await node.countUsers('vless-a')).toBe(0);
    });
  });

  test('S4: a restart loses all users, and the next add reads the inbounds again', async () => {
    const user = createUser();
    await node.addUser('vless-a', user);
    await running.kill();
    await expect(node.readHealth()).rejects.toMatchObject({
      kind: 'transient',
      code: expect.stringMatching(/^node_(unreachable|lost)$/),
    });
    await running.restart();
    connectAgain();
    expect((await node.readHealth()).uptimeS).toBeLessThan(5);
    expect(await node.countUsers('vless-a')).toBe(0);
    expect(await node.addUser('vless-a', user)).toBe('added');
  });
}
