import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { findRefusal } from './message-checks.ts';
import { RateLimiter, type RateLimits } from './rate-limit.ts';
import { Updates } from './updates.ts';

// A Bot API over real HTTP. It is as strict about pace and messages as Telegram, has the faults of
// a network and of a busy gateway, and records all calls.

/** A call as it was read. */
export interface SendMessageCall {
  /** Counts calls of `sendMessage` from 1. */
  readonly n: number;
  readonly chat: string;
  readonly text: string;
  readonly silent: boolean;
  readonly buttons: unknown;
}

/** The outcome of a call of `sendMessage`. */
export type CallOutcome =
  | 'serve'
  /** The message arrives; the connection breaks before the answer. */
  | 'lose'
  /** The connection breaks, and the message does not arrive. */
  | 'drop'
  /** No answer. The message arrives, or it does not. */
  | 'hang'
  | 'hang_taken'
  | { readonly slowMs: number }
  /** An answer of a proxy, not in the format of the Bot API. */
  | { readonly status: number; readonly taken?: boolean; readonly body?: string }
  /** A refusal of the Bot API. */
  | { readonly error: number; readonly description: string }
  | { readonly tooMany: number };

export interface ReceivedCall extends SendMessageCall {
  readonly atMs: number;
  readonly outcome: string;
  /** The message is in the chat. */
  readonly arrived: boolean;
  /** Seconds that the caller must wait. */
  retryAfter?: number;
}

export interface BotApiOptions {
  readonly limits?: RateLimits;
  readonly conduct?: (call: SendMessageCall) => CallOutcome | Promise<CallOutcome>;
  readonly port?: number;
}

export interface BotApi extends Disposable {
  readonly url: string;
  readonly port: number;
  /** All calls, in their order. */
  readonly log: readonly ReceivedCall[];
  /** Messages that are in a chat. */
  texts(chat: string | bigint): string[];
  conduct: NonNullable<BotApiOptions['conduct']>;
  /** The answer of `getMe`. If undefined, `getMe` succeeds. */
  getMeOutcome: CallOutcome;
  /** Connections break when they open, before a request is read. */
  resetting: boolean;
  readonly paths: readonly string[];
  /** Messages of people to the bot. */
  readonly updates: Updates;
  readonly waits: readonly { readonly fromMs: number; readonly untilMs: number }[];
  stop(): Promise<void>;
}

const telegramLimits: RateLimits = { perSecond: 30, gapMs: 1_000 };

export async function startBotApi(options: BotApiOptions = {}): Promise<BotApi> {
  const pace = new RateLimiter(options.limits ?? telegramLimits);
  const log: ReceivedCall[] = [];
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

  const sendRateLimit = (response: ServerResponse, wait: number, atMs: number): void => {
    const errorBody = toErrorBody(429, `Too Many Requests: retry after ${wait}`);
    writeJson(response, 429, { ...errorBody, parameters: { retry_after: wait } });
    waits.push({ fromMs: performance.now(), untilMs: atMs + wait * 1_000 });
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const atMs = performance.now();
    const { url = '' } = request;
    paths.push(url);
    const method = url.split('/').at(-1) ?? '';
    const body = await readBody(request);
    if (method === 'getMe') {
      const me = { id: 1, is_bot: true, first_name: 'Bot', username: 'shop_bot' };
      const answer = () => writeJson(response, 200, { ok: true, result: me });
      if (isRateLimit(api.getMeOutcome))
        return sendRateLimit(response, api.getMeOutcome.tooMany, atMs);
      return respondWith(api.getMeOutcome, request, response, answer);
    }
    if (method === 'getUpdates') return updates.serve(JSON.parse(body || '{}'), response);
    if (method === 'deleteWebhook' || method === 'answerCallbackQuery') {
      return writeJson(response, 200, { ok: true, result: true });
    }
    if (method !== 'sendMessage') {
      return writeJson(response, 404, toErrorBody(404, `Not Found: ${url}`));
    }
    const call = parseCall(log.length + 1, body);
    const outcome = await api.conduct(call);
    const arrival = { ...call, atMs, outcome: JSON.stringify(outcome), arrived: false };
    log.push(arrival);
    const wait = isRateLimit(outcome) ? outcome.tooMany : pace.reserve(call.chat, atMs);
    if (wait > 0) {
      if (isRateLimit(outcome)) pace.block(wait, atMs);
      Object.assign(arrival, { retryAfter: wait });
      return sendRateLimit(response, wait, atMs);
    }
    const why = isAccepted(outcome) ? findRefusal(JSON.parse(body)) : undefined;
    if (why !== undefined) return writeJson(response, 400, toErrorBody(400, why));
    Object.assign(arrival, { arrived: isAccepted(outcome) });
    messages += 1;
    const result = { message_id: messages, chat: { id: Number(call.chat) }, text: call.text };
    await respondWith(outcome, request, response, () =>
      writeJson(response, 200, { ok: true, result }),
    );
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
    getMeOutcome: 'serve',
    resetting: false,
    stop,
    [Symbol.dispose]: () => void stop(),
  };
  return api;
}

const isRateLimit = (outcome: CallOutcome): outcome is { tooMany: number } =>
  typeof outcome === 'object' && 'tooMany' in outcome;

function isAccepted(outcome: CallOutcome): boolean {
  if (typeof outcome === 'string') return ['serve', 'lose', 'hang_taken'].includes(outcome);
  if ('status' in outcome) return outcome.taken ?? false;
  return 'slowMs' in outcome;
}

async function respondWith(
  outcome: CallOutcome,
  request: IncomingMessage,
  response: ServerResponse,
  answer: () => void,
): Promise<void> {
  if (outcome === 'serve') return answer();
  if (outcome === 'lose' || outcome === 'drop') return void request.socket.resetAndDestroy();
  if (typeof outcome === 'string' || 'tooMany' in outcome) return;
  if ('slowMs' in outcome) {
    await new Promise((resolve) => setTimeout(resolve, outcome.slowMs));
    return answer();
  }
  if ('error' in outcome)
    return writeJson(response, outcome.error, toErrorBody(outcome.error, outcome.description));
  response.writeHead(outcome.status, { 'content-type': 'text/html' });
  response.end(outcome.body ?? `<html>${outcome.status} ${request.url}</html>`);
}

const toErrorBody = (code: number, description: string) => ({
  ok: false,
  error_code: code,
  description,
});

function writeJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) text += chunk;
  return text;
}

function parseCall(n: number, body: string): SendMessageCall {
  const read = JSON.parse(body);
  return {
    n,
    chat: String(read.chat_id),
    text: String(read.text),
    silent: read.disable_notification === true,
    buttons: read.reply_markup,
  };
}
