import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Socket, connect as tcp } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { generateCredentialId } from '../../../../src/kernel/ids.ts';
import { startEmbeddedNode } from '../../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import type { NodeTls } from '../../../../src/xray/grpc/connect.ts';
import { encodeAccount, methodPaths } from '../../../../src/xray/grpc/contract.ts';
import { frameMessage } from '../../../../src/xray/grpc/framing.ts';
import { wire } from '../../../../src/xray/grpc/wire.js';
import type { NodeApi } from '../../../../src/xray/port.ts';
import { makeCertificates } from '../../../support/certificates.ts';
import { expectFault } from '../../../support/faults.ts';

// The client with faults of HTTP/2, by a server that sends each byte and each status itself.

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of cleanups.splice(0).reverse()) await end();
});

function openClient(api: string, tls: NodeTls = false): NodeApi {
  const node = connectNode({ api, tls });
  cleanups.push(node.close);
  return node;
}

type StreamHandler = (stream: ServerHttp2Stream, path: string) => void;

/** @returns its address */
async function startHttp2Server(serve: StreamHandler): Promise<string> {
  const server = createHttp2();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    serve(stream, headers[':path'] ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const head = { ':status': 200, 'content-type': 'application/grpc' };

/** A successful response with these bytes. */
function writeAnswer(stream: ServerHttp2Stream, bytes: Buffer, status = '0'): void {
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(bytes);
}

describe('a list', () => {
  const users = Array.from({ length: 3_000 }, () => {
    const id = generateCredentialId();
    return { level: 0, email: `acme-${id}`, account: encodeAccount('vless', id, '') };
  });
  const whole = frameMessage(wire.InboundUsers.encode({ users }).finish());
  const count = frameMessage(wire.InboundUsersCount.encode({ count: users.length }).finish());

  const list = async (end: (stream: ServerHttp2Stream) => void): Promise<number> => {
    const node = openClient(
      await startHttp2Server((stream, path) => {
        if (path === methodPaths.getInboundUsers) end(stream);
        else writeAnswer(stream, count);
      }),
    );
    let found = 0;
    for await (const slice of node.listUsers('in')) found += slice.length;
    return found;
  };

  test('is read to its end', async () => {
    expect(await list((stream) => writeAnswer(stream, whole))).toBe(users.length);
  });

  test.each<[string, (stream: ServerHttp2Stream) => void, string]>([
    [
      'that ends early, as if it were whole',
      (s) => writeAnswer(s, whole.subarray(0, -200_000)),
      'node_garbage',
    ],
    ['that the connection breaks off', (s) => half(s, () => s.session?.destroy()), 'node_lost'],
    ['that the node breaks off', (s) => half(s, () => s.close(2)), 'node_lost'],
    ['behind which the node takes it back', (s) => writeAnswer(s, whole, '14'), 'node_unreachable'],
  ])('%s is never a shorter list', async (_, end, code) => {
    await expectFault(list(end), code);
  });

  function half(stream: ServerHttp2Stream, then: () => void): void {
    stream.respond(head);
    stream.write(whole.subarray(0, whole.length / 2), then);
  }
});

describe('a proxy before a node', () => {
  test.each([
    [401, 'node_denied'],
    [403, 'node_denied'],
    [404, 'node_not_xray'],
    // It is unknown if the node received the call before the proxy lost it.
    [502, 'node_lost'],
    [503, 'node_unreachable'],
    [504, 'node_lost'],
  ])('answers %i: %s', async (status, code) => {
    const node = openClient(
      await startHttp2Server((stream) => {
        stream.respond({ ':status': status, 'content-type': 'text/html' });
        stream.end('<html></html>');
      }),
    );
    await expectFault(node.readHealth(), code);
  });

  test('refuses a stream: the node did not receive the call', async () => {
    const node = openClient(await startHttp2Server((stream) => stream.close(7)));
    await expectFault(node.readHealth(), 'node_unreachable');
  });

  test('breaks a stream: it is unknown if the node executed the call', async () => {
    const node = openClient(await startHttp2Server((stream) => stream.close(2)));
    await expectFault(node.readHealth(), 'node_lost');
  });

  test('sends a text in another case: the text is recognized', async () => {
    const node = openClient(
      await startHttp2Server((stream) =>
        stream.respond(
          { ...head, 'grpc-status': '2', 'grpc-message': 'User %D0%B0%25 not found.' },
          { endStream: true },
        ),
      ),
    );
    expect(await node.removeUser('in', 'somebody')).toBe('not_there');
  });
});

test('a connection that a proxy has forgotten ends after one deadline, with its pending calls', async () => {
  const node = await startEmbeddedNode({ inbounds: [{ tag: 'in', protocol: 'vless' }] });
  cleanups.push(node.stop);
  const router = await startForgetfulRouter(node.api);
  const far = openClient(router.api);
  await far.readHealth();
  router.forget();
  const slow = far.countUsers('in', { deadlineMs: 60_000 });
  slow.catch(() => undefined);
  await expectFault(far.readHealth({ deadlineMs: 50 }), 'node_deadline');
  expect(await far.countUsers('in')).toBe(0);
  expect(router.connections()).toBe(2);
  await expectFault(slow, 'node_deadline');
});

/** A proxy that can forget its connections. It carries new connections. */
async function startForgetfulRouter(to: string) {
  const [host, port] = to.split(':') as [string, string];
  const carried: Socket[] = [];
  const server = createTcp((near) => {
    const far = tcp({ host, port: Number(port) });
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far);
    far.pipe(near);
    carried.push(near, far);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    for (const socket of carried) socket.destroy();
  });
  return {
    api: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => carried.length / 2,
    forget() {
      for (const socket of carried) socket.unpipe().pause();
    },
  };
}

test('the next connection uses a renewed certificate', async () => {
  const certificates = makeCertificates('node.example');
  const others = makeCertificates('node.example');
  cleanups.push(certificates.remove, others.remove);
  const { ca, cert, key, read } = certificates;
  const embedded = await startEmbeddedNode({
    inbounds: [{ tag: 'in', protocol: 'vless' }],
    tls: { cert: read(cert), key: read(key), ca: read(ca) },
  });
  cleanups.push(embedded.stop);
  const files = ['cert.pem', 'key.pem'].map((file) => join(dirname(ca), `ours-${file}`));
  const [ownCert = '', ownKey = ''] = files;
  copyFileSync(others.cert, ownCert);
  copyFileSync(others.key, ownKey);
  const node = openClient(embedded.api, { ca, cert: ownCert, key: ownKey });
  await expect(node.countUsers('in')).rejects.toThrow(/closed the connection .* certificate/);
  copyFileSync(cert, ownCert);
  copyFileSync(key, ownKey);
  expect(await node.countUsers('in')).toBe(0);
});
