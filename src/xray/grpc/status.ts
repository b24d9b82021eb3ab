import type { IncomingHttpHeaders } from 'node:http2';
import { Fault } from '../../kernel/faults.ts';
import { foreignText } from '../../kernel/foreign-text.ts';

// The meaning of a failed call. Xray answers nearly every error with code 2 and a text. So the text
// is matched as narrowly as possible: "not found" alone has three meanings.

/** The gRPC status codes that this client distinguishes. */
const grpcStatus = {
  ...{ ok: 0, unknown: 2, deadlineExceeded: 4, permissionDenied: 7 },
  ...{ unimplemented: 12, internal: 13, unavailable: 14, unauthenticated: 16 },
} as const;

/** The refusal of a node. */
export interface NodeRefusal {
  /** A status of gRPC, other than 0. */
  readonly code: number;
  /** Cleaned by `foreignText`. */
  readonly details: string;
}

export function isUserPresent(refusal: NodeRefusal): boolean {
  return isUserRefusal(refusal, ' already exists.');
}

export function isUserMissing(refusal: NodeRefusal): boolean {
  return isUserRefusal(refusal, ' not found.');
}

/** The text is `… User NAME not found.`, possibly without its middle. */
function isUserRefusal({ code: status, details }: NodeRefusal, end: string): boolean {
  if (status !== grpcStatus.unknown || !details.endsWith(end)) return false;
  return details.slice(0, -end.length).includes('User ');
}

/** The first release with a method. Older ones answer code 12 (docs/xray-facts.md). */
const firstVersions: readonly (readonly [method: string, need: string, version: string])[] = [
  ['ListInbounds', 'to list inbounds', '25.6.7'],
  ['GetInboundUsers', 'to list and count users', '24.11.5'],
];

// Codes of OpenSSL and Node for a wrong certificate or handshake.
const certificatePattern =
  /certificate|altnames|self.signed|issuer|CERT_|UNABLE_TO_|tlsv1 alert|wrong version number|SSL routines|EPROTO/i;
// The server used another protocol before HTTP/2 was negotiated.
const otherProtocolPattern = /Parse Error|HPE_|Protocol error|ERR_HTTP2_ERROR/i;

/** The fault of a failed connection. @param errorText the error of Node with its code */
export function createFailedConnectionFault(
  api: string,
  errorText: string,
  cause?: unknown,
): Fault {
  // The text may contain names of a certificate or the first bytes of another protocol.
  const details = foreignText(errorText);
  if (certificatePattern.test(details)) {
    const sentence = `${api}: TLS handshake with the node failed (${details})`;
    return new Fault('permanent', 'node_certificate', sentence, cause);
  }
  if (otherProtocolPattern.test(details)) return createNotXrayFault(api, details, cause);
  return createNodeUnreachableFault(api, details, cause);
}

/** The node certainly did not receive the call. */
export function createNodeUnreachableFault(api: string, details: string, cause?: unknown): Fault {
  const sentence = `${api}: no connection (${details})`;
  return new Fault('transient', 'node_unreachable', sentence, cause);
}

/** The call was sent. */
export function createNodeLostFault(api: string, cause?: unknown): Fault {
  const sentence = `${api}: the connection broke during the call; it is unknown if the node executed it`;
  return new Fault('transient', 'node_lost', sentence, cause);
}

function createNotXrayFault(api: string, details: string, cause?: unknown): Fault {
  const sentence = `${api}: no Xray API at this address (${details})`;
  return new Fault('permanent', 'node_not_xray', sentence, cause);
}

/** Describes a response that is not gRPC; undefined: it is gRPC. */
export function describeNonGrpc(head: IncomingHttpHeaders): string | undefined {
  if (Number(head[':status']) !== 200) return `HTTP status code ${head[':status']}`;
  const type = head['content-type'];
  if (type?.startsWith('application/grpc') === true) return undefined;
  return `content-type ${foreignText(String(type))}`;
}

/**
 * The fault of a response; undefined: success.
 * @param tail the trailers; undefined: the response has one header block, or broke off
 */
export function toCallEnd(
  api: string,
  head: IncomingHttpHeaders,
  tail: IncomingHttpHeaders | undefined,
  cause?: Error,
): NodeRefusal | Fault | undefined {
  const problem = describeNonGrpc(head);
  if (problem !== undefined) return createNonGrpcFault(api, Number(head[':status']), problem);
  const trailer = tail ?? head;
  const status = trailer['grpc-status'];
  if (status === undefined) return createNodeLostFault(api, cause);
  if (Number(status) === grpcStatus.ok) return undefined;
  return { code: Number(status), details: parseDetails(trailer['grpc-message']) };
}

/** An answer of a proxy before the node, or of another server. */
function createNonGrpcFault(api: string, httpStatus: number, problem: string): Fault {
  switch (httpStatus) {
    case 401:
    case 403:
      return createDeniedFault(api, problem);
    case 429:
    case 503:
      return createNodeUnreachableFault(api, problem);
    case 502:
    case 504:
      // A proxy may have lost the node during the call.
      return createNodeLostFault(api, new Error(problem));
    default:
      return createNotXrayFault(api, problem);
  }
}

function createDeniedFault(api: string, details: string): Fault {
  return new Fault('permanent', 'node_denied', `${api}: access is denied (${details})`);
}

/** gRPC encodes characters outside ASCII as %XX. HTTP/2 headers have up to 64 kB. */
function parseDetails(message: string | string[] | undefined): string {
  const text = typeof message === 'string' ? message : '';
  try {
    return foreignText(decodeURIComponent(text));
  } catch {
    return foreignText(text);
  }
}

function createUnimplementedFault(api: string, path: string, { details }: NodeRefusal): Fault {
  const [, service = '', method = ''] = path.split('/');
  if (/unknown service/.test(details)) {
    const sentence = `${api}: the API has no ${service.split('.').at(-1)}; add it to api.services of Xray's configuration`;
    return new Fault('permanent', 'node_no_service', sentence);
  }
  const [, need, version] = firstVersions.find(([name]) => method.startsWith(name)) ?? [];
  if (need === undefined || !/unknown method|not implement/.test(details)) {
    return createNotXrayFault(api, details);
  }
  const sentence = `${api}: this Xray is too old ${need}; expected version ${version} or newer`;
  return new Fault('permanent', 'node_too_old', sentence);
}

function createUnknownStatusFault(
  api: string,
  tag: string | undefined,
  { details }: NodeRefusal,
): Fault {
  if (/handler not found: /.test(details) || (details === '' && tag === '')) {
    return createUnknownInboundFault(api, tag ?? '');
  }
  if (/proxy is not a UserManager$/.test(details)) {
    const sentence = `${api}: the inbound "${tag}" has no users to manage`;
    return new Fault('permanent', 'no_user_manager', sentence);
  }
  return new Fault('permanent', 'node_refused', `${api}: the node refused: ${details}`);
}

export function createUnknownInboundFault(api: string, tag: string): Fault {
  const sentence = `${api}: no inbound "${tag}" on this node`;
  return new Fault('permanent', 'unknown_inbound', sentence);
}

export function createNodeGarbageFault(api: string, cause: unknown): Fault {
  const reason = cause instanceof Error ? ` (${foreignText(cause.message)})` : '';
  return new Fault('permanent', 'node_garbage', `${api}: the answer can't be read${reason}`, cause);
}

/** @param tag the inbound of the call, if any */
export function toCallFault(
  refusal: NodeRefusal,
  { api, path, tag }: { api: string; path: string; tag: string | undefined },
): Fault {
  const { details } = refusal;
  switch (refusal.code) {
    case grpcStatus.unavailable:
      return createNodeUnreachableFault(api, details);
    case grpcStatus.deadlineExceeded:
      return new Fault('transient', 'node_deadline', `${api}: no answer in time`);
    case grpcStatus.unimplemented:
      return createUnimplementedFault(api, path, refusal);
    case grpcStatus.unauthenticated:
    case grpcStatus.permissionDenied:
      return createDeniedFault(api, details);
    case grpcStatus.internal:
      return createNodeGarbageFault(api, new Error(details));
    case grpcStatus.unknown:
      return createUnknownStatusFault(api, tag, refusal);
    default: {
      const sentence = `${api}: status ${refusal.code} instead of an answer (${details})`;
      return new Fault('transient', 'node_unreachable', sentence);
    }
  }
}
