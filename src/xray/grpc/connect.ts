import { readFileSync } from 'node:fs';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import { Fault } from '../../kernel/faults.ts';

// From a node's address and TLS files to a gRPC client. Nothing is sent until the first call.

/** `true`: TLS by the system's authorities. Files: PEM; `cert` and `key` together are mTLS. */
export type NodeTls =
  | boolean
  | {
      readonly ca?: string | undefined;
      readonly cert?: string | undefined;
      readonly key?: string | undefined;
      /** The name that the certificate is for, where it isn't the address's. */
      readonly server_name?: string | undefined;
    };

/** As the books have it: `host:port`, `[ipv6]:port` or `unix:/path`. */
export interface NodeAddress {
  readonly api: string;
  readonly tls?: NodeTls;
}

const channelOptions: ChannelOptions = {
  // A list of 40,000 users is over the 4 MiB that are the default.
  'grpc.max_receive_message_length': -1,
  // No call is ever repeated for us, also where gRPC thinks it safe: an add that killed the node
  // must not kill it again (XRAY.md 0).
  'grpc.enable_retries': 0,
  // A node that comes back is found at the next probe (every 2 s), not after up to 2 minutes.
  'grpc.initial_reconnect_backoff_ms': 500,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Only config.ts reads the environment; a node is never reached through HTTP_PROXY.
  'grpc.enable_http_proxy': 0,
  // One connection a client: what was learned about inbounds is true of one connection.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  // No keepalive pings: those under 5 min get the connection closed (XRAY.md 2). Probes do.
};

const addresses = /^(?:unix:\/.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[^\s:/[\]]+:\d{1,5})$/;

function pem(file: string | undefined, what: string, api: string): Buffer | null {
  if (file === undefined) return null;
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const sentence = `${api}: the ${what} ${file} can't be read (${code})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

function credentialsOf({ api, tls = false }: NodeAddress) {
  if (tls === false) return credentials.createInsecure();
  const files = tls === true ? {} : tls;
  if ((files.cert === undefined) !== (files.key === undefined)) {
    const sentence = `${api}: mTLS needs both, tls.cert and tls.key`;
    throw new Fault('permanent', 'node_certificate', sentence);
  }
  const ca = pem(files.ca, 'authority', api);
  const key = pem(files.key, 'key', api);
  const cert = pem(files.cert, 'certificate', api);
  try {
    return credentials.createSsl(ca, key, cert);
  } catch (cause) {
    const sentence = `${api}: TLS can't be set up with these files (${(cause as Error).message})`;
    throw new Fault('permanent', 'node_certificate', sentence, cause);
  }
}

/** @throws Fault bad_address, node_certificate */
export function connect(address: NodeAddress): Client {
  const { api, tls } = address;
  if (!addresses.test(api)) {
    const sentence = `"${api}" is not an address; 10.0.0.2:10085, [fd00::2]:10085 or unix:/run/xray.sock is`;
    throw new Fault('permanent', 'bad_address', sentence);
  }
  const name = typeof tls === 'object' ? tls.server_name : undefined;
  return new Client(api, credentialsOf(address), {
    ...channelOptions,
    ...(name === undefined ? {} : { 'grpc.ssl_target_name_override': name }),
  });
}
