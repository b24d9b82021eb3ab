import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { closeBooks, openBooks, openPool } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { Log } from '../log.ts';
import type { Kit } from './route.ts';
import { openServer } from './server.ts';

// The API as a part of the service: where it listens, and how it ends.

export interface Api {
  /** `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Answers what is under way, takes nothing new. */
  stop(): Promise<void>;
}

export interface ApiBooks extends Pick<Kit, 'url'> {
  readonly config: Config;
}

/** @throws UsageFault that names the address, or the file of a certificate */
export async function startApi({ url, config }: ApiBooks, log: Log): Promise<Api> {
  const { currency } = config.file;
  const http = { host: '127.0.0.1', port: 8_080, ...config.file.http };
  const limits = {
    ...(http.per_minute === undefined ? {} : { perTokenMax: http.per_minute }),
    ...(http.per_minute_without_token === undefined
      ? {}
      : { perAddressMax: http.per_minute_without_token }),
  };
  const tls = http.tls === undefined ? undefined : readTls(config, http.tls);
  // Its own connections: many small statements, prepared, that don't wait for a batch's.
  const pool = openPool(url, { prepared: true, onLost: () => undefined });
  const db = openBooks(pool);
  const server = await openServer({ db, url, log, currency, limits, ...(tls && { tls }) });
  const stop = async () => {
    await server.close();
    await closeBooks(db, pool);
  };
  const { host, port } = http;
  try {
    const address = await server.listen({ host, port });
    if (tls === undefined && !isLoopback(host)) {
      log.warn(
        { address },
        'http: tokens travel in plain text here; set http.tls, or put a proxy with TLS before it',
      );
    }
    return { address, stop };
  } catch (error) {
    await stop();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageFault(
      'no_listen',
      `http: can't listen on ${host}:${port}: ${wordsOf(code, message)}`,
      error,
    );
  }
}

function wordsOf(code: string | undefined, message: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program does; set http.port';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address; set http.host';
    case 'EACCES':
      return 'this user may not; set http.port to one above 1023';
    default:
      return message;
  }
}

/** Whether what is sent there stays on this machine. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

function readTls(config: Config, files: { readonly cert: string; readonly key: string }) {
  const from = config.path === undefined ? '.' : dirname(config.path);
  const read = (name: 'cert' | 'key') => {
    const path = resolve(from, files[name]);
    try {
      return readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new UsageFault('no_file', `http.tls.${name}: ${path} can't be read (${code})`, error);
    }
  };
  return { cert: read('cert'), key: read('key') };
}
