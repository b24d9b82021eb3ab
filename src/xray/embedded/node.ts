import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { addUserType, type MethodPath, methodPaths } from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import { type InboundConfig, NodeBoot } from './operations.ts';
import { openTcpListener, type TcpListener } from './tcp-listener.ts';
import { Panic, XrayError } from './xray-error.ts';

// A node in this process: Xray's API over real gRPC, with its semantics, texts and traps. It serves
// no traffic, and only decides if a UUID would be accepted. The demo and most tests use it. The
// contract test compares it with a real Xray.

/**
 * The behaviour of one call, for tests of faults.
 * - hang: no answer
 * - crash: the node ends before it executes the call
 * - crash_after: the node ends after it has executed the call, before the answer
 * - lose_answer: executed, no answer
 * - garbage: an unreadable answer
 */
export type CallBehavior = 'serve' | 'hang' | 'crash' | 'crash_after' | 'lose_answer' | 'garbage';

export interface ReceivedCall {
  /** `AlterInbound`, `GetSysStats`, … */
  readonly method: string;
  /** The inbound and the user of the call; empty if the call names none. */
  readonly tag: string;
  readonly name: string;
  /** True if the call adds the user. */
  readonly adds: boolean;
}

export interface EmbeddedNodeOptions {
  readonly inbounds: readonly InboundConfig[];
  /** The address to listen on: `127.0.0.1:0` takes a free port; `unix:/path`. */
  readonly listen?: string;
  /** PEM. With `ca`, clients must show a certificate of that authority. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer; readonly ca?: Buffer };
  /** A monotonic clock for the uptime, in ms. */
  readonly nowMs?: () => number;
  /** Called before each call. It may wait, to add latency. */
  readonly chooseBehavior?: (call: ReceivedCall) => CallBehavior | Promise<CallBehavior>;
  /** Methods that an older Xray lacks: `ListInbounds`, `GetInboundUsers`. */
  readonly missingMethods?: readonly string[];
  /** The `api.services` of the configuration; default: both. */
  readonly services?: readonly ('HandlerService' | 'StatsService')[];
}

export interface EmbeddedNode {
  /** The value for `api` of a node in the configuration. */
  readonly api: string;
  /** True while the node runs. */
  isRunning(): boolean;
  /** True if a new connection with this UUID (Trojan: password) and flow would be accepted now. */
  accepts(tag: string, uuid: string, flow?: string): boolean;
  /** The names of an inbound's users, in their original spelling. */
  listUserNames(tag: string): readonly string[];
  /** Ends like a crashed process: connections break, the port refuses, users are lost. */
  crash(): void;
  /** A new boot on the same address, without users. `inbounds` replaces the inbounds. */
  restart(inbounds?: readonly InboundConfig[]): Promise<void>;
  /**
   * Removes an inbound and adds it again, like a panel. Its users are lost, the uptime continues.
   */
  recreateInbound(tag: string): void;
  /** Ends the node permanently. */
  stop(): void;
}

type Handler = handleUnaryCall<Buffer, Buffer>;
const asIs = (bytes: Buffer): Buffer => bytes;

export async function startEmbeddedNode(options: EmbeddedNodeOptions): Promise<EmbeddedNode> {
  const { nowMs = () => performance.now(), chooseBehavior = () => 'serve' as const } = options;
  const { services = ['HandlerService', 'StatsService'], missingMethods = [] } = options;
  let address = options.listen ?? '127.0.0.1:0';
  let inbounds = options.inbounds;
  let current: { readonly listener: TcpListener; readonly boot: NodeBoot } | undefined;

  const crash = (): void => {
    current?.listener.abort();
    current = undefined;
  };

  /** Executes a call in the boot that received it. */
  const serve = async (
    boot: NodeBoot,
    path: MethodPath,
    request: Buffer,
    done: SendResponse,
  ): Promise<void> => {
    const behavior = await chooseBehavior({
      method: toMethodName(path),
      ...parseCallTarget(path, request),
    });
    if (current?.boot !== boot) return;
    if (behavior === 'crash') return crash();
    if (behavior === 'hang') return;
    if (behavior === 'garbage') return done(null, Buffer.from('ffffffff', 'hex'));
    try {
      const response = Buffer.from(boot.handle(path, request));
      if (behavior === 'crash_after') crash();
      else if (behavior === 'serve') done(null, response);
    } catch (error) {
      if (error instanceof Panic) crash();
      else if (error instanceof XrayError) done(toServiceError(error.code, error.message));
      else throw error;
    }
  };

  const start = async (): Promise<void> => {
    const startedMs = nowMs();
    const boot = new NodeBoot(inbounds, () => nowMs() - startedMs);
    const server = new Server({ 'grpc.max_receive_message_length': 4 * 1024 * 1024 });
    for (const path of Object.values(methodPaths)) {
      const handler = createHandler(path, services, missingMethods, (request, done) => {
        serve(boot, path, request, done).catch((error: Error) => {
          done(toServiceError(status.INTERNAL, error.message));
        });
      });
      server.register(path, handler, asIs, asIs, 'unary');
      // Xray also serves the method names of V2Ray.
      server.register(path.replace('/xray.', '/v2ray.core.'), handler, asIs, asIs, 'unary');
    }
    const listener = await openTcpListener(address, server, createCredentials(options));
    address = listener.address;
    current = { listener, boot };
  };

  await start();
  return {
    api: address,
    isRunning: () => current !== undefined,
    accepts(tag, uuid, flow) {
      const user = current?.boot.inbound(tag)?.findBySecret(uuid);
      return user !== undefined && (flow === undefined || user.account.flow === flow);
    },
    listUserNames: (tag) => (current?.boot.inbound(tag)?.list() ?? []).map(({ email }) => email),
    crash,
    async restart(newInbounds) {
      crash();
      inbounds = newInbounds ?? inbounds;
      await start();
    },
    recreateInbound: (tag) => current?.boot.recreateInbound(tag),
    stop: crash,
  };
}

type SendResponse = sendUnaryData<Buffer>;

function createHandler(
  path: MethodPath,
  services: readonly string[],
  missingMethods: readonly string[],
  serve: (request: Buffer, done: SendResponse) => void,
): Handler {
  const [, service = '', method = ''] = path.split('/');
  const missing = !services.includes(service.split('.').at(-1) ?? '')
    ? `unknown service ${service}`
    : missingMethods.includes(method)
      ? `unknown method ${method} for service ${service}`
      : undefined;
  if (missing === undefined) return ({ request }, done) => serve(request, done);
  return (_, done) => done(toServiceError(status.UNIMPLEMENTED, missing));
}

/** HTTP/2 allows no space at the end of a header. The client gets such a text of Xray as empty. */
function toServiceError(code: status, text: string): { code: status; details: string } {
  return { code, details: text.endsWith(' ') ? '' : text };
}

const toMethodName = (path: MethodPath): string => path.split('/').at(-1) ?? '';

/** Only for `conduct`, so an unreadable request names no user. */
function parseCallTarget(path: MethodPath, request: Buffer): Omit<ReceivedCall, 'method'> {
  const noTarget = { tag: '', name: '', adds: false };
  if (path !== methodPaths.alterInbound) return noTarget;
  try {
    const { tag, operation } = wire.AlterInboundRequest.decode(request);
    const value = operation?.value ?? new Uint8Array();
    const adds = operation?.type === addUserType;
    const name = adds
      ? (wire.AddUserOperation.decode(value).user?.email ?? '')
      : wire.RemoveUserOperation.decode(value).email;
    return { tag, name, adds };
  } catch {
    return noTarget;
  }
}

function createCredentials({ tls }: EmbeddedNodeOptions): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: tls.key, cert_chain: tls.cert };
  return ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.ca !== undefined);
}
