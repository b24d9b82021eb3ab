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

// A node within this process: Xray's API over real gRPC, with its semantics, its texts and its
// traps, and nothing behind it but the answer to "would this UUID be let in?". The demonstration
// and most tests need no other. The contract test holds it against a real Xray.

/**
 * What becomes of one call, for those who want a node to misbehave.
 * hang: no answer, ever · die: before it is carried out · die_after: once it is, before the answer
 * · lose_answer: carried out, no answer · garbage: an answer that can't be read
 */
export type Conduct = 'serve' | 'hang' | 'die' | 'die_after' | 'lose_answer' | 'garbage';

export interface CallSeen {
  /** `AlterInbound`, `GetSysStats`, … */
  readonly method: string;
  /** Of the inbound, and of the user; empty where the call names none. */
  readonly tag: string;
  readonly name: string;
  /** Whether it adds that user. */
  readonly adds: boolean;
}

export interface EmbeddedNodeOptions {
  readonly inbounds: readonly InboundConfig[];
  /** Where it listens: `127.0.0.1:0` takes any free port; `unix:/path`. */
  readonly listen?: string;
  /** PEM. With `ca`, clients must show a certificate of that authority. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer; readonly ca?: Buffer };
  /** A clock that goes forward, for the uptime; ms. */
  readonly nowMs?: () => number;
  /** Asked before each call; may wait, for latency. */
  readonly conduct?: (call: CallSeen) => Conduct | Promise<Conduct>;
  /** Methods that it doesn't have yet, as an older Xray: `ListInbounds`, `GetInboundUsers`. */
  readonly lacks?: readonly string[];
  /** What `api.services` of the configuration names; default: both. */
  readonly services?: readonly ('HandlerService' | 'StatsService')[];
}

export interface EmbeddedNode {
  /** What goes into `api` of a node's configuration. */
  readonly api: string;
  /** Whether it lives. */
  up(): boolean;
  /** Whether a new connection with this UUID (Trojan: password) and flow would be let in now. */
  admits(tag: string, uuid: string, flow?: string): boolean;
  /** The names of an inbound's users, as they were given. */
  names(tag: string): readonly string[];
  /** Ends as a process that is killed: connections drop, the port refuses, users are gone. */
  die(): void;
  /** A new life on the same address, without users; with other inbounds, if they are given. */
  restart(inbounds?: readonly InboundConfig[]): Promise<void>;
  /** Removes an inbound and adds it again, as a panel does: its users are gone, the uptime goes on. */
  remake(tag: string): void;
  /** Ends it for good. */
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

  /** Carries a call out in the life that it came to. */
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
      // Xray answers to its ancestor's names as well.
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

/** HTTP/2 allows no space at the end of a header: such a text of Xray's arrives as none at all. */
function refusal(code: status, text: string): { code: status; details: string } {
  return { code, details: text.endsWith(' ') ? '' : text };
}

const methodOf = (path: Path): string => path.split('/').at(-1) ?? '';

/** For `conduct` alone, so what can't be read names nobody. */
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
