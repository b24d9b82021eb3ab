import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as http2 } from 'node:http2';
import { isIP, type Socket, connect as tcp } from 'node:net';
import { createSecureContext, type SecureContext, connect as tls } from 'node:tls';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { isNoAddress, type NodePlace, nodePlace } from '../../kernel/node-address.ts';
import { startTimer } from '../../kernel/timer.ts';
import { unconnected } from './status.ts';

// Opens an HTTP/2 connection from a node's address and TLS files, or returns the fault. The files are
// read for each connection, so the next connection uses a renewed certificate.

/** `true`: TLS with the authorities of the system. Files: PEM; `cert` and `key` give mTLS. */
export type NodeTls =
  | boolean
  | {
      readonly ca?: string | undefined;
      readonly cert?: string | undefined;
      readonly key?: string | undefined;
      /** The name in the certificate, if it differs from the address. */
      readonly server_name?: string | undefined;
    };

/** `host:port`, `[ipv6]:port` or `unix:/path`. */
export interface NodeAddress {
  readonly api: string;
  readonly tls?: NodeTls;
}

/** Enough for a distant node with TLS after a lost packet. */
export const connectDeadlineMs = 5 * secondMs;

function placeOf(api: string): NodePlace {
  const place = nodePlace(api);
  if (place !== undefined) return place;
  throw new Fault('permanent', 'bad_address', `"${api}" ${isNoAddress}`);
}

function pem(file: string | undefined, what: string, api: string): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const sentence = `${api}: the ${what} ${file} can't be read (${code})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

/** undefined: without TLS. */
function secured({ api, tls: files = false }: NodeAddress): SecureContext | undefined {
  if (files === false) return undefined;
  const named = files === true ? {} : files;
  if ((named.cert === undefined) !== (named.key === undefined)) {
    const sentence = `${api}: mTLS needs both, tls.cert and tls.key`;
    throw new Fault('permanent', 'node_certificate', sentence);
  }
  const ca = pem(named.ca, 'authority', api);
  const key = pem(named.key, 'key', api);
  const cert = pem(named.cert, 'certificate', api);
  try {
    return createSecureContext({ ca, key, cert });
  } catch (cause) {
    const sentence = `${api}: TLS can't be set up with these files (${(cause as Error).message})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

/** Checks address and files before a connection. @throws Fault bad_address, node_certificate */
export function mustConnect(address: NodeAddress): void {
  placeOf(address.api);
  secured(address);
}

const windowBytes = 4 * 1_024 * 1_024;

const options = {
  // The receive window of a list: 80 MB a second at a distance of 50 ms.
  settings: { enablePush: false, initialWindowSize: windowBytes },
  // The keeper limits the pending calls.
  maxSessionMemory: Number.MAX_SAFE_INTEGER,
};

/** A session and its socket. */
export interface NodeSession {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
}

/**
 * Ends a connection at once. `session.destroy()` alone is not enough: after `session.close()` it
 * waits until the other side ends the socket.
 */
export function destroy({ session, socket }: NodeSession): void {
  session.destroy();
  socket.destroy();
}

/**
 * Opens a connection and waits for the HTTP/2 settings of the server. So a server that is no Xray is
 * detected before a call is sent.
 * @throws Fault bad_address, node_certificate, node_not_xray, node_unreachable
 */
export function connect(address: NodeAddress): Promise<NodeSession> {
  const { api, tls: files } = address;
  const place = placeOf(api);
  const secureContext = secured(address);
  const host = 'host' in place ? place.host : 'localhost';
  const name = typeof files === 'object' ? (files.server_name ?? host) : host;
  const socket =
    secureContext === undefined
      ? tcp(place)
      : tls({
          ...place,
          secureContext,
          ALPNProtocols: ['h2'],
          // The certificate is compared with this name. SNI cannot contain an IP address.
          ...(isIP(name) === 0 ? { servername: name } : {}),
        });
  const authority = 'path' in place ? 'localhost' : api;
  const scheme = secureContext === undefined ? 'http' : 'https';
  const session = http2(`${scheme}://${authority}`, { ...options, createConnection: () => socket });
  return ready(api, { session, socket });
}

function ready(api: string, opened: NodeSession): Promise<NodeSession> {
  const { session, socket } = opened;
  return new Promise((resolve, reject) => {
    const fail = (details: string, cause?: Error): void => {
      clearTimeout(timer);
      destroy(opened);
      reject(unconnected(api, details, cause));
    };
    const timer = startTimer(
      () => fail(`no connection within ${connectDeadlineMs / secondMs} s`),
      connectDeadlineMs,
    );
    // All listeners stay, because an error without a listener would end the process. The session does
    // not get every error of its socket, for example that the server requires a certificate.
    const failBy = (error: Error): void => fail(describe(error), error);
    socket.on('error', failBy);
    let hungUp = 'the other side hung up';
    socket.on('secureConnect', () => {
      hungUp = hungUpSecured;
    });
    session.on('error', failBy);
    session.on('close', () => fail(hungUp));
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      session.setLocalWindowSize(windowBytes);
      resolve(opened);
    });
  });
}

/** Codes of servers that require another certificate and give no reason. */
const hungUpSecured =
  'the other side hung up once TLS was agreed on; it may want another certificate of us';

/** The text of Node, with its code if the text lacks the code. */
function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error.message.includes(code)
    ? error.message
    : `${error.message}, ${code}`;
}
