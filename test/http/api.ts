import { Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { openServer, type ServerOptions } from '../../src/http/server.ts';
import { openLog } from '../../src/log.ts';
import { createToken } from '../../src/tokens/store.ts';
import type { Scope } from '../../src/tokens/token.ts';
import { sells } from '../a-book.ts';
import { type Books, type BooksOptions, freshBooks } from '../books.ts';

// The real server on a port of loopback, over books of a test's own, and a client that says what
// came back, byte for byte.

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test names the fields that it expects
  readonly json: any;
}

export interface Ask {
  readonly token?: string;
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Api {
  readonly books: Books;
  readonly address: string;
  readonly tokens: Readonly<Record<Scope, string>>;
  /** What was logged so far, as it stands in the file. */
  log(): string;
  ask(method: string, path: string, ask?: Ask): Promise<Answered>;
}

const keys = { next: 0 };
/** A key that no other request of this process has. */
export const newKey = (): string => {
  keys.next += 1;
  return `key-${keys.next}`;
};

export async function anApi(
  options: BooksOptions &
    Pick<ServerOptions, 'trustedProxies' | 'requestMs' | 'readiness' | 'reads' | 'lists'> & {
      readonly requests?: ServerOptions['limits'];
    } = {},
): Promise<Api> {
  const { requests, trustedProxies, requestMs, readiness, reads, lists, ...of } = options;
  const given = { trustedProxies, requestMs, readiness, reads, lists };
  const books = await freshBooks({ now: '2026-11-24T09:00:00Z', prepared: true, ...of });
  await sells(books);
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = openLog('trace', sink);
  const server = await openServer({
    db: books.db,
    url: books.url,
    log,
    currency: 'RUB',
    ...(requests && { limits: requests }),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await server.close();
    await books.close();
  });
  const make = async (scope: Scope) => {
    const order = { name: `test ${scope}`, scopes: [scope], lastsMs: undefined };
    return (await createToken(books.db, order, 'test')).token;
  };
  const tokens = {
    read: await make('read'),
    sell: await make('sell'),
    admin: await make('admin'),
    metrics: await make('metrics'),
  };
  return {
    books,
    address,
    tokens,
    log: () => lines.join(''),
    ask: (method, path, { token = tokens.admin, key, body, headers = {} } = {}) =>
      ask(
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

async function ask(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: unknown,
): Promise<Answered> {
  const sent = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method,
    headers,
    ...(sent === undefined ? {} : { body: sent }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

/** Everything in the books that a request could have changed; equal means untouched. */
export async function fingerprint({ pool }: Pick<Books, 'pool'>): Promise<string> {
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
