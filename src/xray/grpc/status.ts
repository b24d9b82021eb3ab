import { type ServiceError, status } from '@grpc/grpc-js';
import { Fault } from '../../kernel/faults.ts';

// What a failed call means. Xray answers nearly everything with code 2 and a text (XRAY.md 2), so
// the text has to be read, as narrowly as can be: "not found" alone means three things.

const alreadyThere = /User .* already exists\.$/s;
const notThere = /User .* not found\.$/s;

export function saysAlreadyThere({ code, details }: ServiceError): boolean {
  return code === status.UNKNOWN && alreadyThere.test(details);
}

export function saysNotThere({ code, details }: ServiceError): boolean {
  return code === status.UNKNOWN && notThere.test(details);
}

/** The first release that has a method; those before it answer code 12 (docs/xray-facts.md). */
const since: readonly (readonly [method: string, need: string, version: string])[] = [
  ['ListInbounds', 'telling what its inbounds are', '25.6.7'],
  ['GetInboundUsers', 'listing and counting users', '24.11.5'],
];

// OpenSSL's and Node's names for a certificate or a handshake that doesn't fit, as gRPC quotes them.
const certificate =
  /certificate|altnames|self.signed|issuer|CERT_|UNABLE_TO_|tlsv1 alert|wrong version number|SSL routines|EPROTO/i;
// The other side closed, reset or answered in another tongue, before HTTP/2 was agreed on.
const otherTongue =
  /Parse Error|HPE_|Protocol error|ERR_HTTP2_ERROR|HTTP status code|content-type/i;
const brokeOff = /Connection dropped|ECONNRESET|EPIPE|socket hang up/;

function unavailable(api: string, details: string, cause: ServiceError): Fault {
  if (certificate.test(details)) {
    const sentence = `${api}: TLS can't be agreed on with the node (${details})`;
    return new Fault('permanent', 'node_certificate', sentence, cause);
  }
  if (otherTongue.test(details)) return notXray(api, cause);
  const inFlight = !details.startsWith('No connection established') && brokeOff.test(details);
  return inFlight
    ? new Fault(
        'transient',
        'node_lost',
        `${api}: the connection broke during the call; whether it was carried out isn't known`,
        cause,
      )
    : new Fault('transient', 'node_unreachable', `${api}: no connection (${details})`, cause);
}

function notXray(api: string, cause: ServiceError): Fault {
  const sentence = `${api}: what answers there is no Xray API (${cause.details})`;
  return new Fault('permanent', 'node_not_xray', sentence, cause);
}

function unimplemented(api: string, path: string, cause: ServiceError): Fault {
  const [, service = '', method = ''] = path.split('/');
  if (/unknown service/.test(cause.details)) {
    const sentence = `${api}: the API has no ${service.split('.').at(-1)}; add it to api.services of Xray's configuration`;
    return new Fault('permanent', 'node_no_service', sentence, cause);
  }
  const [, need, version] = since.find(([name]) => method.startsWith(name)) ?? [];
  if (need === undefined || !/unknown method|not implement/.test(cause.details)) {
    return notXray(api, cause);
  }
  const sentence = `${api}: this Xray is too old for ${need}; version ${version} or newer is needed`;
  return new Fault('permanent', 'node_too_old', sentence, cause);
}

function unknown(api: string, tag: string | undefined, cause: ServiceError): Fault {
  const { details } = cause;
  if (/handler not found: /.test(details) || (details === '' && tag === '')) {
    return unknownInbound(api, tag ?? '', cause);
  }
  if (/proxy is not a UserManager$/.test(details)) {
    const sentence = `${api}: the inbound "${tag}" has no users to manage`;
    return new Fault('permanent', 'no_user_manager', sentence, cause);
  }
  const sentence = `${api}: the node refuses: ${details}`;
  return new Fault('permanent', 'node_refused', sentence, cause);
}

export function unknownInbound(api: string, tag: string, cause?: unknown): Fault {
  const sentence = `${api}: there is no inbound "${tag}" on this node`;
  return new Fault('permanent', 'unknown_inbound', sentence, cause);
}

export function garbage(api: string, cause: unknown): Fault {
  return new Fault('permanent', 'node_garbage', `${api}: the answer can't be read`, cause);
}

/** @param tag of the inbound that the call was about, if it was about one */
export function faultOf(
  cause: ServiceError,
  { api, path, tag }: { api: string; path: string; tag: string | undefined },
): Fault {
  const { code, details } = cause;
  switch (code) {
    case status.UNAVAILABLE:
      return unavailable(api, details, cause);
    case status.DEADLINE_EXCEEDED:
      return new Fault('transient', 'node_deadline', `${api}: no answer in time`, cause);
    case status.UNIMPLEMENTED:
      return unimplemented(api, path, cause);
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new Fault('permanent', 'node_denied', `${api}: access is denied (${details})`, cause);
    case status.INTERNAL:
      return garbage(api, cause);
    case status.UNKNOWN:
      return unknown(api, tag, cause);
    default:
      return new Fault(
        'transient',
        'node_unreachable',
        `${api}: no answer but ${status[code]} (${details})`,
        cause,
      );
  }
}
