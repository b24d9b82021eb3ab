import { Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { openServer, type ServerOptions } from '../../src/http/server.ts';
import { openLog } from '../../src/logging/log.ts';
import { createToken } from '../../src/tokens/store.ts';
import type { TokenScope } from '../../src/tokens/token.ts';
import type { DatabaseOptions, TestDatabase } from './database.ts';
import { createShopDatabase } from './shop.ts';

// The real server on a port of loopback with a separate database, and a client that returns
// responses byte for byte.

export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test names the fields that it expects
  readonly json: any;
}

export interface ApiRequest {
  readonly token?: string;
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApi {
  readonly database: TestDatabase;
  readonly address: string;
  readonly tokens: Readonly<Record<TokenScope, string>>;
  /** The log file so far. */
  log(): string;
  send(method: string, path: string, ask?: ApiRequest): Promise<ApiResponse>;
}

const keyCount = { next: 0 };
/** An idempotency key that no other request of this process has. */
export const createKey = (): string => {
  keyCount.next += 1;
  return `key-${keyCount.next}`;
};

export async function startApi(
  options: DatabaseOptions &
    Pick<
      ServerOptions,
      'trustedProxies' | 'requestMs' | 'silentMs' | 'readiness' | 'reads' | 'lists' | 'ui'
    > & {
      readonly requests?: ServerOptions['limits'];
    } = {},
): Promise<TestApi> {
  const { requests, trustedProxies, requestMs, silentMs, ...others } = options;
  const { readiness, reads, lists, ui, ...databaseOptions } = others;
  const serverOptions = { trustedProxies, requestMs, silentMs, readiness, reads, lists, ui };
  const database = await createShopDatabase({
    now: '2026-11-24T09:00:00Z',
    prepared: true,
    ...databaseOptions,
  });
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = openLog('trace', sink);
  const server = await openServer({
    db: database.db,
    url: database.url,
    log,
    currency: 'RUB',
    ...(requests && { limits: requests }),
    ...Object.fromEntries(Object.entries(serverOptions).filter(([, value]) => value !== undefined)),
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await server.close();
    await database.close();
  });
  const issueToken = async (scope: TokenScope) => {
    const tokenOptions = { name: `test ${scope}`, scopes: [scope], lastsMs: undefined };
    return (await createToken(database.db, tokenOptions, 'test')).token;
  };
  const tokens = {
    read: await issueToken('read'),
    sell: await issueToken('sell'),
    admin: await issueToken('admin'),
    metrics: await issueToken('metrics'),
  };
  return {
    database,
    address,
    tokens,
    log: () => lines.join(''),
    send: (method, path, { token = tokens.admin, key, body, headers = {} } = {}) =>
      sendRequest(
        `${address}${path}`,
        method,
        {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body,
      ),
  };
}

async function sendRequest(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: unknown,
): Promise<ApiResponse> {
  const requestBody = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method,
    headers,
    ...(requestBody === undefined ? {} : { body: requestBody }),
  });
  const text = await response.text();
  const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

/** A fingerprint of all rows that a request can change. */
export async function readFingerprint({ pool }: Pick<TestDatabase, 'pool'>): Promise<string> {
  const tables = [
    'customer',
    'ledger_entry',
    'subscription',
    'period',
    'credential',
    'notification',
    'event',
  ];
  const parts = tables.map(
    (table) =>
      `(SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '')) FROM perennial.${table} t)`,
  );
  const { rows } = await pool.query(`SELECT concat_ws(' ', ${parts.join(', ')}) AS print`);
  return (rows[0] as { print: string }).print;
}
