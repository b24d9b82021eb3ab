import { connect } from 'node:net';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { freePort } from '../../testbed/real-xray.ts';

// The side of a customer: a client process with one SOCKS port per inbound, and one request through
// it.

export interface ClientRoute {
  readonly protocol: 'vless' | 'vmess' | 'trojan';
  /** The port of the inbound of the node, on loopback. */
  readonly port: number;
  readonly id: CredentialId;
  readonly socksPort: number;
}

export async function createRoute(route: Omit<ClientRoute, 'socksPort'>): Promise<ClientRoute> {
  return { ...route, socksPort: await freePort() };
}

function toOutbound({ protocol, port, id }: ClientRoute): object {
  const address = '127.0.0.1';
  switch (protocol) {
    case 'vless':
      return {
        protocol,
        settings: { vnext: [{ address, port, users: [{ id, encryption: 'none' }] }] },
      };
    case 'vmess':
      return { protocol, settings: { vnext: [{ address, port, users: [{ id }] }] } };
    case 'trojan':
      return { protocol, settings: { servers: [{ address, port, password: id }] } };
  }
}

/** The configuration of one client with all these inbounds. */
export function createClientConfig(routes: readonly ClientRoute[]): object {
  return {
    log: { loglevel: 'warning' },
    // A refusal is reported at once, not after seconds.
    policy: { levels: { 0: { uplinkOnly: 0, downlinkOnly: 0 } } },
    inbounds: routes.map(({ socksPort }, at) => ({
      tag: `in-${at}`,
      listen: '127.0.0.1',
      port: socksPort,
      protocol: 'socks',
      settings: { udp: false },
    })),
    outbounds: routes.map((route, at) => ({ tag: `out-${at}`, ...toOutbound(route) })),
    routing: {
      rules: routes.map((_, at) => ({
        type: 'field',
        inboundTag: [`in-${at}`],
        outboundTag: `out-${at}`,
      })),
    },
  };
}

/** The body of a GET through a new connection, or undefined if the connection is refused. */
export function fetchThrough(socksPort: number, targetPort: number): Promise<string | undefined> {
  // VMess closes an unknown connection only after it has read up to 3,400 bytes.
  const padding = 'x'.repeat(6_000);
  return new Promise((resolve) => {
    const socket = connect(socksPort, '127.0.0.1');
    const target = Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, targetPort >> 8, targetPort & 255]);
    const request = `GET / HTTP/1.1\r\nHost: origin\r\nConnection: close\r\nX-Padding: ${padding}\r\n\r\n`;
    // The greeting has 2 bytes, the target 10 bytes. Then the answer of the site follows.
    let received = Buffer.alloc(0);
    let sentRequests = 0;
    const refused = (): void => resolve(undefined);
    socket.on('error', refused);
    socket.on('close', () => {
      const body = received.subarray(12).toString().split('\r\n\r\n')[1];
      resolve(body === undefined || body === '' ? undefined : body);
    });
    socket.on('connect', () => socket.write(Buffer.from([5, 1, 0])));
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (sentRequests === 0 && received.length >= 2) {
        sentRequests = 1;
        socket.write(target);
      }
      if (sentRequests === 1 && received.length >= 12) {
        sentRequests = 2;
        socket.write(request);
      }
    });
  });
}
