import { connect } from 'node:net';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { freePort } from '../../testbed/real-xray.ts';

// A customer's side: a client process with a socks port for each way in, and one request through it.

export interface ClientRoute {
  readonly protocol: 'vless' | 'vmess' | 'trojan';
  /** Of the node's inbound, on loopback. */
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

/** The configuration of one client with all these ways in. */
export function createClientConfig(routes: readonly ClientRoute[]): object {
  return {
    log: { loglevel: 'warning' },
    // Whoever is refused is told at once, not seconds later.
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

/** What a GET through a new connection brings: the body, or undefined where it is not let through. */
export function fetchThrough(socksPort: number, targetPort: number): Promise<string | undefined> {
  // VMess doesn't close on a stranger before it has swallowed up to 3,400 bytes of his.
  const padding = 'x'.repeat(6_000);
  return new Promise((resolve) => {
    const socket = connect(socksPort, '127.0.0.1');
    const target = Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, targetPort >> 8, targetPort & 255]);
    const request = `GET / HTTP/1.1\r\nHost: origin\r\nConnection: close\r\nX-Padding: ${padding}\r\n\r\n`;
    // Greeting (2 bytes), then the target (10 bytes), then what the origin says.
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
