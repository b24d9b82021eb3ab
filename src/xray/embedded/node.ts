import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { addUserType, type Path, paths } from '../grpc/contract.ts';
import { wire } from '../grpc/wire.js';
import { type Door, openDoor } from './door.ts';
import { type InboundConfig, Life } from './operations.ts';
import { Panic, Refusal } from './refusal.ts';

// A node in this process: Xray's API over real gRPC, with its semantics, texts and traps. It serves
// no traffic, and only decides if a UUID would be accepted. The demo and most tests use it. The
// contract test compares it with a real Xray.

/**
 * The behaviour of one call, for tests of faults.
 * hang: no answer · die: the node ends before it executes the call · die_after: the node ends before
 * the answer · lose_answer: executed, no answer · garbage: an unreadable answer
 */
export type Conduct = 'serve' | 'hang' | 'die' | 'die_after' | 'lose_answer' | 'garbage';

export interface CallSeen {
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
  readonly conduct?: (call: CallSeen) => Conduct | Promise<Conduct>;
  /** Methods that an older Xray lacks: `ListInbounds`, `GetInboundUsers`. */
  readonly lacks?: readonly string[];
  /** The `api.services` of the configuration; default: both. */
  readonly services?: readonly ('HandlerService' | 'StatsService')[];
}

export interface EmbeddedNode {
  /** The value for `api` of a node in the configuration. */
  readonly api: string;
  /** True while the node runs. */
  up(): boolean;
  /** True if a new connection with this UUID (Trojan: password) and flow would be accepted now. */
  admits(tag: string, uuid: string, flow?: string): boolean;
  /** The names of an inbound's users, in their original spelling. */
  names(tag: string): readonly string[];
  /** Ends like a killed process: connections break, the port refuses, users are lost. */
  die(): void;
  /** A new boot on the same address, without users. `inbounds` replaces the inbounds. */
  restart(inbounds?: readonly InboundConfig[]): Promise<void>;
  /** Removes an inbound and adds it again, like a panel. Its users are lost, the uptime continues. */
  remake(tag: string): void;
  /** Ends the node permanently. */
  stop(): void;
}

type Handler = handleUnaryCall<Buffer, Buffer>;
const asIs = (bytes: Buffer): Buffer => bytes;

export async function startEmbeddedNode(options: EmbeddedNodeOptions): Promise<EmbeddedNode> {
  const { nowMs = () => performance.now(), conduct = () => 'serve' as const } = options;
  const { services = ['HandlerService', 'StatsService'], lacks = [] } = options;
  let address = options.listen ?? '127.0.0.1:0';
  let inbounds = options.inbounds;
  let alive: { readonly door: Door; readonly life: Life } | undefined;

  const die = (): void => {
    alive?.door.slam();
    alive = undefined;
  };

  /** Executes a call in the boot that received it. */
  const serve = async (life: Life, path: Path, request: Buffer, done: Done): Promise<void> => {
    const how = await conduct({ method: methodOf(path), ...aboutWhom(path, request) });
    if (alive?.life !== life) return;
    if (how === 'die') return die();
    if (how === 'hang') return;
    if (how === 'garbage') return done(null, Buffer.from('ffffffff', 'hex'));
    try {
      const answer = Buffer.from(life.answer(path, request));
      if (how === 'die_after') die();
      else if (how === 'serve') done(null, answer);
    } catch (error) {
      if (error instanceof Panic) die();
      else if (error instanceof Refusal) done(refusal(error.code, error.message));
      else throw error;
    }
  };

  const start = async (): Promise<void> => {
    const bornMs = nowMs();
    const life = new Life(inbounds, () => nowMs() - bornMs);
    const server = new Server({ 'grpc.max_receive_message_length': 4 * 1024 * 1024 });
    for (const path of Object.values(paths)) {
      const handler = handlerOf(path, services, lacks, (request, done) => {
        serve(life, path, request, done).catch((error: Error) => {
          done(refusal(status.INTERNAL, error.message));
        });
      });
      server.register(path, handler, asIs, asIs, 'unary');
      // Xray also serves the method names of V2Ray.
      server.register(path.replace('/xray.', '/v2ray.core.'), handler, asIs, asIs, 'unary');
    }
    const door = await openDoor(address, server, credentialsOf(options));
    address = door.address;
    alive = { door, life };
  };

  await start();
  return {
    api: address,
    up: () => alive !== undefined,
    admits(tag, uuid, flow) {
      const user = alive?.life.inbound(tag)?.opened(uuid);
      return user !== undefined && (flow === undefined || user.account.flow === flow);
    },
    names: (tag) => (alive?.life.inbound(tag)?.listed() ?? []).map(({ email }) => email),
    die,
    async restart(others) {
      die();
      inbounds = others ?? inbounds;
      await start();
    },
    remake: (tag) => alive?.life.remake(tag),
    stop: die,
  };
}

type Done = sendUnaryData<Buffer>;

function handlerOf(
  path: Path,
  services: readonly string[],
  lacks: readonly string[],
  serve: (request: Buffer, done: Done) => void,
): Handler {
  const [, service = '', method = ''] = path.split('/');
  const missing = !services.includes(service.split('.').at(-1) ?? '')
    ? `unknown service ${service}`
    : lacks.includes(method)
      ? `unknown method ${method} for service ${service}`
      : undefined;
  if (missing === undefined) return ({ request }, done) => serve(request, done);
  return (_, done) => done(refusal(status.UNIMPLEMENTED, missing));
}

/** HTTP/2 allows no space at the end of a header. The client gets such a text of Xray as empty. */
function refusal(code: status, text: string): { code: status; details: string } {
  return { code, details: text.endsWith(' ') ? '' : text };
}

const methodOf = (path: Path): string => path.split('/').at(-1) ?? '';

/** Only for `conduct`, so an unreadable request names no user. */
function aboutWhom(path: Path, request: Buffer): Omit<CallSeen, 'method'> {
  const nobody = { tag: '', name: '', adds: false };
  if (path !== paths.alterInbound) return nobody;
  try {
    const { tag, operation } = wire.AlterInboundRequest.decode(request);
    const value = operation?.value ?? new Uint8Array();
    const adds = operation?.type === addUserType;
    const name = adds
      ? (wire.AddUserOperation.decode(value).user?.email ?? '')
      : wire.RemoveUserOperation.decode(value).email;
    return { tag, name, adds };
  } catch {
    return nobody;
  }
}

function credentialsOf({ tls }: EmbeddedNodeOptions): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: tls.key, cert_chain: tls.cert };
  return ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.ca !== undefined);
}
