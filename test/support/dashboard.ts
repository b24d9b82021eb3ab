import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll } from 'vitest';
import type { OperatorRole } from '../../src/db/schema-operators.ts';
import { createSignInLink, linkLifetimeMs } from '../../src/operators/sign-in-link.ts';
import type { ApiRequest, ApiResponse, TestApi } from './api.ts';
import type { TestDatabase } from './database.ts';

// A client of the dashboard that sends the headers of a browser.

/** The contents of a folder as the build of the dashboard writes it. */
export const pageText = '<!doctype html><title>Perennial</title>';
export const scriptText = `console.log("${'dashboard '.repeat(200)}");`;

/** A built dashboard in a temporary folder, until the end of the test file. */
export function createPageFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-page-'));
  mkdirSync(join(folder, 'assets'));
  mkdirSync(join(folder, '.vite'));
  writeFileSync(join(folder, 'index.html'), pageText);
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  writeFileSync(join(folder, '.vite/manifest.json'), '{"secret":true}');
  const script = join(folder, 'assets/index-AbCd1234.js');
  writeFileSync(script, scriptText);
  writeFileSync(`${script}.gz`, gzipSync(scriptText));
  writeFileSync(`${script}.br`, brotliCompressSync(scriptText));
  writeFileSync(join(folder, 'assets/.hidden.js'), 'secret');
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

export const sameOrigin = { 'sec-fetch-site': 'same-origin' };

export interface DashboardClient {
  /** The text of the cookie. */
  readonly cookie: string;
  readonly id: string;
  send(method: string, path: string, ask?: ApiRequest): Promise<ApiResponse>;
}

export async function createLink(
  { database }: { readonly database: Pick<TestDatabase, 'db'> },
  scope: OperatorRole = 'read',
  name = 'Anna',
): Promise<string> {
  const request = { name, scope, lastsMs: linkLifetimeMs };
  return (await createSignInLink(database.db, request, 'test')).secret;
}

/** A browser without a cookie. */
export const sendSignIn = (
  api: TestApi,
  link: string,
  headers: Readonly<Record<string, string>> = sameOrigin,
): Promise<ApiResponse> => api.send('POST', '/ui/session', { token: '', body: { link }, headers });

export const readCookie = ({ headers }: ApiResponse): string =>
  /^__Host-perennial=([^;]*)/.exec(headers.get('set-cookie') ?? '')?.[1] ?? '';

/** Signs in by a new link. */
export async function signInAs(
  api: TestApi,
  scope: OperatorRole,
  name = 'Anna',
): Promise<DashboardClient> {
  const cookie = readCookie(await sendSignIn(api, await createLink(api, scope, name)));
  return {
    cookie,
    id: cookie.slice(4, 12),
    send: (method, path, ask = {}) =>
      api.send(method, path, {
        token: '',
        ...ask,
        headers: { ...sameOrigin, cookie: `__Host-perennial=${cookie}`, ...ask.headers },
      }),
  };
}
