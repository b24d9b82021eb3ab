import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Limits, Pace } from './pace.ts';
import { whyRefused } from './refusing.ts';
import { Updates } from './updates.ts';

// The Bot API for tests, over real HTTP: as strict about pace and message as Telegram, with the accidents
// that a network and a busy gateway have, and a log of all that came.

/** A call as it was read. */
export interface Call {
  /** Counts calls of `sendMessage` from 1. */
  readonly n: number;
  readonly chat: string;
  readonly text: string;
  readonly silent: boolean;
  readonly buttons: unknown;
}

/** What becomes of a call of `sendMessage`. */
export type Fate =
  | 'serve'
  /** The message arrives; the connection breaks before the answer. */
  | 'lose'
  /** The connection breaks; nothing was taken. */
  | 'drop'
  /** No answer, ever; the message arrives, or it doesn't. */
  | 'hang'
  | 'hang_taken'
  | { readonly slowMs: number }
  /** An answer from before or behind the gateway, not in its words. */
  | { readonly status: number; readonly taken?: boolean; readonly body?: string }
  /** The Bot API's own refusal. */
  | { readonly error: number; readonly description: string }
  | { readonly tooMany: number };

export interface Arrival extends Call {
  readonly atMs: number;
  readonly fate: string;
  /** The message is in the chat. */
  readonly arrived: boolean;
  /** Seconds that the caller was told to wait. */
  retryAfter?: number;
}

export interface BotApiOptions {
  readonly limits?: Limits;
  readonly conduct?: (call: Call) => Fate | Promise<Fate>;
  readonly port?: number;
}

export interface BotApi extends Disposable {
  readonly url: string;
  readonly port: number;
  /** Everything that was asked, in its order. */
  readonly log: readonly Arrival[];
  /** Messages that are in a chat. */
  texts(chat: string | bigint): string[];
  conduct: NonNullable<BotApiOptions['conduct']>;
  /** What `getMe` answers; undefined: as it should. */
  meFate: Fate;
  /** Connections are broken off as they are opened, before anything is read. */
  resetting: boolean;
  readonly paths: readonly string[];
  /** What people send to the bot. */
  readonly updates: Updates;
  readonly waits: readonly { readonly fromMs: number; readonly untilMs: number }[];
  stop(): Promise<void>;
}

const telegram: Limits = { perSecond: 30, gapMs: 1_000 };

export async function startBotApi(options: BotApiOptions = {}): Promise<BotApi> {
  const pace = new Pace(options.limits ?? telegram);
  const log: Arrival[] = [];
  const paths: string[] = [];
  const waits: { fromMs: number; untilMs: number }[] = [];
  const updates = new Updates();
  const sockets = new Set<Socket>();
  let messages = 0;

  const server = createServer((request, response) => {
    void serve(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    if (api.resetting) socket.resetAndDestroy();
  });

  const tellToWait = (response: ServerResponse, wait: number, atMs: number): void => {
    const told = refusal(429, `Too Many Requests: retry after ${wait}`);
    give(response, 429, { ...told, parameters: { retry_after: wait } });
    waits.push({ fromMs: performance.now(), untilMs: atMs + wait * 1_000 });
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const atMs = performance.now();
    const { url = '' } = request;
    paths.push(url);
    const method = url.split('/').at(-1) ?? '';
    const body = await bodyOf(request);
    if (method === 'getMe') {
      const me = { id: 1, is_bot: true, first_name: 'Bot', username: 'shop_bot' };
      const answer = () => give(response, 200, { ok: true, result: me });
      if (isForPace(api.meFate)) return tellToWait(response, api.meFate.tooMany, atMs);
      return carryOut(api.meFate, request, response, answer);
    }
    if (method === 'getUpdates') return updates.serve(JSON.parse(body || '{}'), response);
    if (method === 'deleteWebhook' || method === 'answerCallbackQuery') {
      return give(response, 200, { ok: true, result: true });
    }
    if (method !== 'sendMessage') {
      return give(response, 404, refusal(404, `Not Found: ${url}`));
    }
    const call = callOf(log.length + 1, body);
    const fate = await api.conduct(call);
    const arrival = { ...call, atMs, fate: JSON.stringify(fate), arrived: false };
    log.push(arrival);
    const wait = isForPace(fate) ? fate.tooMany : pace.ask(call.chat, atMs);
    if (wait > 0) {
      if (isForPace(fate)) pace.close(wait, atMs);
      Object.assign(arrival, { retryAfter: wait });
      return tellToWait(response, wait, atMs);
    }
    const why = takes(fate) ? whyRefused(JSON.parse(body)) : undefined;
    if (why !== undefined) return give(response, 400, refusal(400, why));
    Object.assign(arrival, { arrived: takes(fate) });
    messages += 1;
    const result = { message_id: messages, chat: { id: Number(call.chat) }, text: call.text };
    await carryOut(fate, request, response, () => give(response, 200, { ok: true, result }));
  };

  await new Promise<void>((ready) => server.listen(options.port ?? 0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const api: BotApi = {
    url: `http://127.0.0.1:${port}`,
    port,
    log,
    paths,
    updates,
    waits,
    texts: (chat) =>
      log.filter((each) => each.arrived && each.chat === String(chat)).map(({ text }) => text),
    conduct: options.conduct ?? (() => 'serve'),
    meFate: 'serve',
    resetting: false,
    stop,
    [Symbol.dispose]: () => void stop(),
  };
  return api;
}

const isForPace = (fate: Fate): fate is { tooMany: number } =>
  typeof fate === 'object' && 'tooMany' in fate;

function takes(fate: Fate): boolean {
  if (typeof fate === 'string') return ['serve', 'lose', 'hang_taken'].includes(fate);
  if ('status' in fate) return fate.taken ?? false;
  return 'slowMs' in fate;
}

async function carryOut(
  fate: Fate,
  request: IncomingMessage,
  response: ServerResponse,
  answer: () => void,
): Promise<void> {
  if (fate === 'serve') return answer();
  if (fate === 'lose' || fate === 'drop') return void request.socket.resetAndDestroy();
  if (typeof fate === 'string' || 'tooMany' in fate) return;
  if ('slowMs' in fate) {
    await new Promise((resolve) => setTimeout(resolve, fate.slowMs));
    return answer();
  }
  if ('error' in fate) return give(response, fate.error, refusal(fate.error, fate.description));
  response.writeHead(fate.status, { 'content-type': 'text/html' });
  response.end(fate.body ?? `<html>${fate.status} ${request.url}</html>`);
}

const refusal = (code: number, description: string) => ({
  ok: false,
  error_code: code,
  description,
});

function give(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) text += chunk;
  return text;
}

function callOf(n: number, body: string): Call {
  const read = JSON.parse(body);
  return {
    n,
    chat: String(read.chat_id),
    text: String(read.text),
    silent: read.disable_notification === true,
    buttons: read.reply_markup,
  };
}
