import { afterEach, expect, test } from 'vitest';
import { foreignTextMax } from '../../../../src/kernel/foreign-text.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { methodPaths } from '../../../../src/xray/grpc/contract.ts';
import { frameMessage } from '../../../../src/xray/grpc/framing.ts';
import { wire } from '../../../../src/xray/grpc/wire.js';
import type { NodeApi } from '../../../../src/xray/port.ts';
import { until } from '../../../../testbed/until.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  grpcHead,
  type HostileNode,
  pingFrame,
  settingsFrame,
  startEndlessNode,
  startSilentNode,
  writeEndlessly,
} from '../../../support/hostile-node.ts';

// The client with nodes that break the protocol: its memory is bounded, and no connection is left.

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const end of cleanups.splice(0).reverse()) end();
});

function openClient(hostile: HostileNode): NodeApi {
  const node = connectNode({ api: hostile.api });
  cleanups.push(() => hostile[Symbol.dispose](), node.close);
  return node;
}

const deadlineMs = 100;

test.each([
  ['is silent', undefined],
  ['floods with pings', Buffer.concat(Array.from({ length: 500 }, () => pingFrame))],
  ['floods with settings', Buffer.concat(Array.from({ length: 500 }, () => settingsFrame))],
])(
  'S7: a call to a node that agrees on HTTP/2 and %s ends, and its connection is destroyed',
  async (_, flood) => {
    const hostile = await startSilentNode(flood);
    const node = openClient(hostile);
    for (let round = 0; round < 5; round += 1) {
      await expect(node.readHealth({ deadlineMs })).rejects.toMatchObject({ kind: 'transient' });
    }
    await until('no connection is left', async () => hostile.countOpen() === 0);
    expect(hostile.countAccepted()).toBeGreaterThanOrEqual(1);
  },
);

test('S7: calls that wait on a silent connection fail together, and the next call opens another one', async () => {
  const hostile = await startSilentNode();
  const node = openClient(hostile);
  const long = node.countUsers('in', { deadlineMs: 60_000 });
  long.catch(() => undefined);
  await expectFault(node.readHealth({ deadlineMs }), 'node_deadline');
  await expectFault(long, 'node_deadline');
  await expectFault(node.readHealth({ deadlineMs }), 'node_deadline');
  expect(hostile.countAccepted()).toBe(2);
  await until('no connection is left', async () => hostile.countOpen() === 0);
});

test('S7: a closed client leaves no connection to a node that stopped during an answer', async () => {
  const hostile = await startEndlessNode((stream) => {
    stream.respond(grpcHead);
    stream.write(frameMessage(Buffer.alloc(100)).subarray(0, 50));
  });
  const node = openClient(hostile);
  await expectFault(node.readHealth({ deadlineMs }), 'node_deadline');
  node.close();
  await until('no connection is left', async () => hostile.countOpen() === 0);
});

const megabyte = Buffer.alloc(1_024 * 1_024);

test.each<[string, Buffer]>([
  ['states that it has 4 GB', Buffer.from([0, 0xff, 0xff, 0xff, 0xff])],
  ['states less than it has', Buffer.from([0, 0, 0, 1, 0])],
])('an answer without end that %s is refused at its beginning', async (_, prefix) => {
  const hostile = await startEndlessNode((stream) => {
    stream.respond(grpcHead);
    stream.write(prefix);
    writeEndlessly(stream, megabyte);
  });
  const node = openClient(hostile);
  for (const ask of [
    () => node.readHealth(),
    () => node.readInbounds(),
    () => node.findUser('in', 'x'),
  ]) {
    await expectFault(ask(), 'node_garbage');
  }
});

test.each<[string, number, Buffer]>([
  ['of more users than a node can have', 1_000_000_000, Buffer.alloc(0)],
  ['of 4 GB', 1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff])],
])('a list %s is refused at its beginning', async (_, count, prefix) => {
  const hostile = await startEndlessNode((stream, path) => {
    stream.respond(grpcHead, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    const counted = wire.InboundUsersCount.encode({ count }).finish();
    if (path === methodPaths.getInboundUsersCount) stream.end(frameMessage(counted));
    else stream.write(prefix, () => writeEndlessly(stream, megabyte));
  });
  const node = openClient(hostile);
  const list = async () => {
    for await (const slice of node.listUsers('in')) expect(slice).toEqual([]);
  };
  await expectFault(list(), 'node_garbage');
});

test('a text of 63 kB with escape sequences becomes 300 printable characters', async () => {
  const text = `app: \u001b[31m${'User '.repeat(12_000)}\u202e failed`;
  const hostile = await startEndlessNode((stream) => {
    const results = {
      'grpc-status': '2',
      'grpc-message': encodeURIComponent(text).replaceAll('%20', ' '),
    };
    stream.respond({ ...grpcHead, ...results }, { endStream: true });
  });
  const node = openClient(hostile);
  const asks = [
    () => node.readHealth(),
    () => node.removeUser('in', 'x'),
    () => node.countUsers('in'),
  ];
  for (const ask of asks) {
    const fault = await ask().then(String, (error: Error) => error.message);
    expect(fault).toMatch(/the node refused: .+ failed$/);
    expect(fault).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    expect(fault.length).toBeLessThan(foreignTextMax + 60);
  }
});

test('names of users, inbounds and flows are printable, and different names stay different', async () => {
  const inbounds = [
    { tag: 'in\u001b[2J', proxySettings: { type: 'x\u0007' } },
    { tag: 't'.repeat(5_000), proxySettings: { type: 'y'.repeat(5_000) } },
  ];
  const account = {
    type: 'xray.proxy.vless.Account',
    value: wire.VlessAccount.encode({ id: 'x', flow: '\u001b[1m' }).finish(),
  };
  const emails = ['a', 'a\u0000', 'a\u200b', 'b'.repeat(9_000), `${'b'.repeat(9_000)}c`];
  const users = emails.map((email) => ({ level: 0, email, account }));
  const answers: Record<string, Uint8Array> = {
    [methodPaths.listInbounds]: wire.Inbounds.encode({ inbounds }).finish(),
    [methodPaths.getInboundUsersCount]: wire.InboundUsersCount.encode({ count: 5 }).finish(),
    [methodPaths.getInboundUsers]: wire.InboundUsers.encode({ users }).finish(),
  };
  const hostile = await startEndlessNode((stream, path) => {
    stream.respond(grpcHead, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(frameMessage(answers[path] as Uint8Array));
  });
  const node = openClient(hostile);
  const read: unknown[] = [await node.readInbounds()];
  const names: string[] = [];
  for await (const slice of node.listUsers('in')) {
    read.push(slice);
    names.push(...slice.map(({ name }) => name));
  }
  expect(names[0]).toBe('a');
  expect(new Set(names).size).toBe(emails.length);
  expect(JSON.stringify(read)).not.toMatch(/\\u00|[\p{C}]/u);
  expect(JSON.stringify(read).length).toBeLessThan(4_000);
});
