import { connect } from 'node:net';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { freePort } from './real-xray.ts';

// A customer's side: a client process with a socks port for each way in, and one request through it.

export interface WayIn {
  readonly protocol: 'vless' | 'vmess' | 'trojan';
  /** Of the node's inbound, on loopback. */
  readonly port: number;
  readonly id: CredentialId;
  readonly socksPort: number;
}

export async function wayIn(way: Omit<WayIn, 'socksPort'>): Promise<WayIn> {
  return { ...way, socksPort: await freePort() };
}

function outbound({ protocol, port, id }: WayIn): object {
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
export function clientConfig(ways: readonly WayIn[]): object {
  return {
    log: { loglevel: 'warning' },
    // Whoever is refused is told at once, not seconds later.
    policy: { levels: { 0: { uplinkOnly: 0, downlinkOnly: 0 } } },
    inbounds: ways.map(({ socksPort }, at) => ({
      tag: `in-${at}`,
      listen: '127.0.0.1',
      port: socksPort,
      protocol: 'socks',
      settings: { udp: false },
    })),
    outbounds: ways.map((way, at) => ({ tag: `out-${at}`, ...outbound(way) })),
    routing: {
      rules: ways.map((_, at) => ({
        type: 'field',
        inboundTag: [`in-${at}`],
        outboundTag: `out-${at}`,
      })),
    },
  };
}

/** What a GET through a new connection brings: the body, or undefined where it is not let through. */
export function get(socksPort: number, targetPort: number): Promise<string | undefined> {
  // VMess doesn't close on a stranger before it has swallowed up to 3,400 bytes of his.
  const padding = 'x'.repeat(6_000);
  return new Promise((resolve) => {
    const socket = connect(socksPort, '127.0.0.1');
    const target = Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, targetPort >> 8, targetPort & 255]);
    const request = `GET / HTTP/1.1\r\nHost: origin\r\nConnection: close\r\nX-Padding: ${padding}\r\n\r\n`;
    // Greeting (2 bytes), then the target (10 bytes), then what the origin says.
    let heard = Buffer.alloc(0);
    let asked = 0;
    const refused = (): void => resolve(undefined);
    socket.on('error', refused);
    socket.on('close', () => {
      const body = heard.subarray(12).toString().split('\r\n\r\n')[1];
      resolve(body === undefined || body === '' ? undefined : body);
    });
    socket.on('connect', () => socket.write(Buffer.from([5, 1, 0])));
    socket.on('data', (bytes: Buffer) => {
      heard = Buffer.concat([heard, bytes]);
      if (asked === 0 && heard.length >= 2) {
        asked = 1;
        socket.write(target);
      }
      if (asked === 1 && heard.length >= 12) {
        asked = 2;
        socket.write(request);
      }
    });
  });
}
