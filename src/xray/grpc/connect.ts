import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as http2 } from 'node:http2';
import { isIP, type Socket, connect as tcp } from 'node:net';
import { createSecureContext, type SecureContext, connect as tls } from 'node:tls';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { startTimer } from '../../kernel/timer.ts';
import { type NodeEndpoint, notAnAddressText, tryParseEndpoint } from '../address.ts';
import { createFailedConnectionFault } from './status.ts';

// Opens an HTTP/2 connection from a node's address and TLS files, or returns the fault. The files
// are read for each connection, so the next connection uses a renewed certificate.

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
const connectDeadlineMs = 5 * secondMs;

function requireEndpoint(api: string): NodeEndpoint {
  const endpoint = tryParseEndpoint(api);
  if (endpoint !== undefined) return endpoint;
  throw new Fault('permanent', 'bad_address', `"${api}" ${notAnAddressText}`);
}

function readPem(file: string | undefined, role: string, api: string): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const sentence = `${api}: the ${role} ${file} can't be read (${code})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

/** undefined: without TLS. */
function createTlsContext({ api, tls: files = false }: NodeAddress): SecureContext | undefined {
  if (files === false) return undefined;
  const tlsFiles = files === true ? {} : files;
  if ((tlsFiles.cert === undefined) !== (tlsFiles.key === undefined)) {
    const sentence = `${api}: mTLS requires tls.cert and tls.key`;
    throw new Fault('permanent', 'node_certificate', sentence);
  }
  const ca = readPem(tlsFiles.ca, 'authority', api);
  const key = readPem(tlsFiles.key, 'key', api);
  const cert = readPem(tlsFiles.cert, 'certificate', api);
  try {
    return createSecureContext({ ca, key, cert });
  } catch (cause) {
    const sentence = `${api}: TLS does not accept these files (${(cause as Error).message})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

/** Checks address and files before a connection. @throws Fault bad_address, node_certificate */
export function checkNodeAddress(address: NodeAddress): void {
  requireEndpoint(address.api);
  createTlsContext(address);
}

const windowBytes = 4 * 1_024 * 1_024;

const sessionOptions = {
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
export function destroySession({ session, socket }: NodeSession): void {
  session.destroy();
  socket.destroy();
}

/**
 * Opens a connection and waits for the HTTP/2 settings of the server. So a server that is no Xray
 * is detected before a call is sent.
 * @throws Fault bad_address, node_certificate, node_not_xray, node_unreachable
 */
export function openSession(address: NodeAddress): Promise<NodeSession> {
  const { api, tls: files } = address;
  const endpoint = requireEndpoint(api);
  const secureContext = createTlsContext(address);
  const host = 'host' in endpoint ? endpoint.host : 'localhost';
  const name = typeof files === 'object' ? (files.server_name ?? host) : host;
  const socket =
    secureContext === undefined
      ? tcp(endpoint)
      : tls({
          ...endpoint,
          secureContext,
          ALPNProtocols: ['h2'],
          // The certificate is compared with this name. SNI cannot contain an IP address.
          ...(isIP(name) === 0 ? { servername: name } : {}),
        });
  const authority = 'path' in endpoint ? 'localhost' : api;
  const scheme = secureContext === undefined ? 'http' : 'https';
  const session = http2(`${scheme}://${authority}`, {
    ...sessionOptions,
    createConnection: () => socket,
  });
  return waitUntilReady(api, { session, socket });
}

function waitUntilReady(api: string, opened: NodeSession): Promise<NodeSession> {
  const { session, socket } = opened;
  return new Promise((resolve, reject) => {
    const fail = (details: string, cause?: Error): void => {
      clearTimeout(timer);
      destroySession(opened);
      reject(createFailedConnectionFault(api, details, cause));
    };
    const timer = startTimer(
      () => fail(`no connection within ${connectDeadlineMs / secondMs} s`),
      connectDeadlineMs,
    );
    // All listeners stay, because an error without a listener would end the process. The session
    // does not get every error of its socket, for example that the server requires a certificate.
    const failBy = (error: Error): void => fail(formatError(error), error);
    socket.on('error', failBy);
    let closeReason = 'the node closed the connection';
    socket.on('secureConnect', () => {
      closeReason = tlsCloseReason;
    });
    session.on('error', failBy);
    session.on('close', () => fail(closeReason));
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      session.setLocalWindowSize(windowBytes);
      resolve(opened);
    });
  });
}

/** Codes of servers that require another certificate and give no reason. */
const tlsCloseReason =
  'the node closed the connection after the TLS handshake; it may require another client certificate';

/** The text of Node, with its code if the text lacks the code. */
function formatError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error.message.includes(code)
    ? error.message
    : `${error.message}, ${code}`;
}
