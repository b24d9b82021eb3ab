import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type CredentialId, generateCredentialId } from '../../../src/kernel/ids.ts';
import {
  type CallBehavior,
  type EmbeddedNode,
  type EmbeddedNodeOptions,
  type ReceivedCall,
  startEmbeddedNode,
} from '../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import type { NodeTls } from '../../../src/xray/grpc/connect.ts';
import type { CallOptions, NodeApi, NodeUser } from '../../../src/xray/port.ts';
import { freePort } from '../../../testbed/real-xray.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { expectFault } from '../../support/faults.ts';

// Faults of a node, and their codes and texts.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end();
});

const createUser = (): NodeUser => {
  const id = generateCredentialId();
  return { name: `acme-${id}`, id, flow: '' };
};

async function startEmbedded(
  options: Partial<EmbeddedNodeOptions> = {},
): Promise<{ stand: EmbeddedNode; node: NodeApi }> {
  const startedNode = await startEmbeddedNode({
    inbounds: [{ tag: 'in', protocol: 'vless' }],
    ...options,
  });
  cleanups.push(startedNode.stop);
  return { stand: startedNode, node: openClient(startedNode.api) };
}

function openClient(api: string, tls: NodeTls = false): NodeApi {
  const node = connectNode({ api, tls });
  cleanups.push(node.close);
  return node;
}

async function countListed(node: NodeApi, patience?: CallOptions): Promise<number> {
  let users = 0;
  for await (const slice of node.listUsers('in', patience)) users += slice.length;
  return users;
}

const everyCall: [string, (node: NodeApi) => Promise<unknown>][] = [
  ['health', (node) => node.readHealth()],
  ['inbounds', (node) => node.readInbounds()],
  ['addUser', (node) => node.addUser('in', createUser())],
  ['removeUser', (node) => node.removeUser('in', 'acme-1')],
  ['findUser', (node) => node.findUser('in', 'acme-1')],
  ['countUsers', (node) => node.countUsers('in')],
  ['listUsers', (node) => countListed(node)],
];

describe.each(everyCall)('%s', (_, call) => {
  test('no listener: transient', async () => {
    const node = openClient(`127.0.0.1:${await freePort()}`);
    await expect(call(node)).rejects.toMatchObject({ kind: 'transient', code: 'node_unreachable' });
  });

  test('the node answers garbage: permanent', async () => {
    const { node } = await startEmbedded({ chooseBehavior: () => 'garbage' });
    await expect(call(node)).rejects.toMatchObject({ kind: 'permanent', code: 'node_garbage' });
  });

  test('the node crashes during the call: transient, with another code than a call that was not sent', async () => {
    const { node } = await startEmbedded({ chooseBehavior: () => 'crash' });
    await expect(call(node)).rejects.toMatchObject({ kind: 'transient', code: 'node_lost' });
  });
});

test.each<[string, (node: NodeApi, patience: CallOptions) => Promise<unknown>]>([
  ['a probe', (node, patience) => node.readHealth(patience)],
  ['a listing', (node, patience) => countListed(node, patience)],
])('S5: %s of a node that hangs ends at the deadline', async (_, call) => {
  let hangs = false;
  const { node } = await startEmbedded({ chooseBehavior: () => (hangs ? 'hang' : 'serve') });
  // The deadline includes the connection, so the connection exists before the node hangs.
  await node.readHealth();
  hangs = true;
  await expect(call(node, { deadlineMs: 20 })).rejects.toMatchObject({
    kind: 'transient',
    code: 'node_deadline',
    message: expect.stringContaining('no answer within 0.02 s'),
  });
});

test('the signal cancels a call before it is sent and while it is pending', async () => {
  const stop = new AbortController();
  const reached = Promise.withResolvers<void>();
  const { node } = await startEmbedded({
    chooseBehavior: () => {
      reached.resolve();
      return 'hang';
    },
  });
  const call = node.readHealth({ signal: stop.signal });
  await reached.promise;
  stop.abort();
  const fault = { kind: 'transient', code: 'node_cancelled' };
  await expect(call).rejects.toMatchObject(fault);
  await expect(node.readHealth({ signal: stop.signal })).rejects.toMatchObject(fault);
});

test.each<CallBehavior>(['crash', 'crash_after'])(
  'S4: an add during a crash of the node (%s) is reported and not repeated',
  async (end) => {
    const adds: ReceivedCall[] = [];
    const { stand: startedNode, node } = await startEmbedded({
      chooseBehavior: (call) => {
        if (call.method !== 'AlterInbound') return 'serve';
        adds.push(call);
        return adds.length === 1 ? end : 'serve';
      },
    });
    const one = createUser();
    await expectFault(node.addUser('in', one), 'node_lost');
    await startedNode.restart();
    expect(await node.countUsers('in')).toBe(0);
    expect(adds).toEqual([{ method: 'AlterInbound', tag: 'in', name: one.name, adds: true }]);
  },
);

test('an add with a lost answer was executed, and the next add finds the user', async () => {
  let loses = false;
  const reached = Promise.withResolvers<void>();
  const { node, stand: startedNode } = await startEmbedded({
    chooseBehavior: () => {
      if (!loses) return 'serve';
      reached.resolve();
      return 'lose_answer';
    },
  });
  // The deadline includes the connection and the list of inbounds, so both exist before.
  await node.addUser('in', createUser());
  loses = true;
  const one = createUser();
  const late = node.addUser('in', one, { deadlineMs: 20 });
  await expectFault(late, 'node_deadline');
  await reached.promise;
  loses = false;
  expect(await node.addUser('in', one)).toBe('already_there');
  expect(startedNode.accepts('in', one.id)).toBe(true);
});

test('S4: the protocol of a restarted node is read again before the first add', async () => {
  const methods: string[] = [];
  const { stand: startedNode, node } = await startEmbedded({
    chooseBehavior: ({ method }) => {
      methods.push(method);
      return 'serve';
    },
  });
  await node.addUser('in', createUser());
  await node.addUser('in', createUser());
  expect(methods).toEqual(['ListInbounds', 'AlterInbound', 'AlterInbound']);
  await startedNode.restart([{ tag: 'in', protocol: 'trojan' }]);
  // The first call may still use the old connection; the next call opens a new one.
  await node.readHealth().catch(() => undefined);
  methods.length = 0;
  const one = createUser();
  expect(await node.addUser('in', one)).toBe('added');
  expect(startedNode.accepts('in', one.id)).toBe(true);
  expect(methods).toEqual(['ListInbounds', 'AlterInbound']);
});

const badCredentials = [
  '',
  'abc',
  generateCredentialId().slice(0, 35),
  generateCredentialId().toUpperCase(),
];

test.each(badCredentials)('S4: "%s" is not a credential and is not sent', async (id) => {
  const { node, stand: startedNode } = await startEmbedded();
  await expect(
    node.addUser('in', { ...createUser(), id: id as CredentialId }),
  ).rejects.toMatchObject({ kind: 'permanent', code: 'bad_credential' });
  expect(startedNode.listUserNames('in')).toEqual([]);
});

test.each(['', 'Acme-1', 'acme 1', 'acme>>>1'])(
  'S4: "%s" is not a name and is not sent',
  async (name) => {
    const fault = { kind: 'permanent', code: 'bad_name' };
    const { node } = await startEmbedded();
    await expect(node.addUser('in', { ...createUser(), name })).rejects.toMatchObject(fault);
  },
);

test('S4: the client refuses to find or remove a user without a name', async () => {
  const calls: ReceivedCall[] = [];
  const { node } = await startEmbedded({
    chooseBehavior: (call) => {
      calls.push(call);
      return 'serve';
    },
  });
  const fault = { kind: 'permanent', code: 'bad_name' };
  await expect(node.removeUser('in', '')).rejects.toMatchObject(fault);
  await expect(node.findUser('in', '')).rejects.toMatchObject(fault);
  expect(calls).toEqual([]);
});

describe('an Xray without a method or a service is named', () => {
  test.each([
    ['ListInbounds', 'version 25.6.7 or newer'],
    ['GetInboundUsers', 'version 24.11.5 or newer'],
  ])('%s: %s', async (method, version) => {
    const { node } = await startEmbedded({ missingMethods: [method] });
    const call = method === 'ListInbounds' ? node.addUser('in', createUser()) : countListed(node);
    await expect(call).rejects.toMatchObject({
      kind: 'permanent',
      code: 'node_too_old',
      message: expect.stringContaining(version),
    });
  });

  test.each([
    ['HandlerService', (node: NodeApi) => node.countUsers('in')],
    ['StatsService', (node: NodeApi) => node.readHealth()],
  ] as const)('%s is not among api.services', async (service, call) => {
    const services = (['HandlerService', 'StatsService'] as const).filter((one) => one !== service);
    const { node } = await startEmbedded({ services });
    await expect(call(node)).rejects.toMatchObject({
      kind: 'permanent',
      code: 'node_no_service',
      message: expect.stringContaining(`has no ${service}`),
    });
  });
});

describe('a server that is not Xray', () => {
  const listening = async (server: Server): Promise<string> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const strangers: [string, () => Server, string][] = [
    ['a web server', () => createHttp((_, answer) => answer.end('hello')), 'node_not_xray'],
    [
      'a server that sends first',
      () => createTcp((socket) => socket.end('SSH-2.0-x\r\n')),
      'node_not_xray',
    ],
    [
      'an HTTP/2 server',
      () =>
        createHttp2((_, answer) => {
          answer.statusCode = 404;
          answer.end('no such page');
        }) as unknown as Server,
      'node_not_xray',
    ],
    [
      'a server that closes the connection',
      () => createTcp((socket) => socket.destroy()),
      'node_unreachable',
    ],
  ];
  test.each(strangers)('%s', async (_, make, code) => {
    const node = openClient(await listening(make()));
    await expectFault(node.readHealth({ deadlineMs: 3_000 }), code);
  });
});

test.each(['nowhere', 'http://10.0.0.2:10085', '10.0.0.2', 'fd00::2:10085', 'unix:relative'])(
  '"%s" is not an address',
  (api) => {
    expect(() => connectNode({ api })).toThrow(/is not an address/);
  },
);

test('a unix socket is an address', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-sock-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const { node } = await startEmbedded({ listen: `unix:${folder}/xray.sock` });
  expect(await node.addUser('in', createUser())).toBe('added');
});

describe('TLS', () => {
  const certificates = makeCertificates('node.example');
  const others = makeCertificates('node.example');
  const { ca, cert, key, read } = certificates;
  const files = { cert: read(cert), key: read(key) };
  const fault = { kind: 'permanent', code: 'node_certificate' };

  test('a certificate of the configured authority is accepted', async () => {
    const { stand: startedNode } = await startEmbedded({ tls: files });
    expect(await openClient(startedNode.api, { ca }).countUsers('in')).toBe(0);
    const named = openClient(startedNode.api, { ca, server_name: 'node.example' });
    expect(await named.countUsers('in')).toBe(0);
  });

  test('mTLS: the node answers only a client with a certificate', async () => {
    const { stand: startedNode } = await startEmbedded({ tls: { ...files, ca: read(ca) } });
    expect(await openClient(startedNode.api, { ca, cert, key }).countUsers('in')).toBe(0);
    await expect(openClient(startedNode.api, { ca }).countUsers('in')).rejects.toMatchObject(fault);
  });

  test.each<[string, NodeTls]>([
    ['a certificate of another authority', { ca: others.ca }],
    ['a certificate of an unknown authority', true],
    ['a certificate with another name', { ca, server_name: 'other.example' }],
  ])('a certificate %s does not fit: permanent', async (_, tls) => {
    const { stand: startedNode } = await startEmbedded({ tls: files });
    await expect(openClient(startedNode.api, tls).countUsers('in')).rejects.toMatchObject(fault);
  });

  test('TLS to a port without it: permanent', async () => {
    const { stand: startedNode } = await startEmbedded();
    await expect(openClient(startedNode.api, { ca }).countUsers('in')).rejects.toMatchObject(fault);
  });

  test('a missing file, and a certificate without its key, are faults before a connection', () => {
    const api = '127.0.0.1:1';
    expect(() => connectNode({ api, tls: { ca: '/nowhere.pem' } })).toThrow(/authority .*ENOENT/);
    expect(() => connectNode({ api, tls: { cert } })).toThrow(/tls\.key/);
    expect(() => connectNode({ api, tls: { cert: ca, key } })).toThrow(/TLS does not accept/);
  });
});
