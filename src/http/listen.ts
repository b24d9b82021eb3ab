import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { toNoticeSettings } from '../config/settings.ts';
import { closeDatabase, openDatabase, openPool, type PoolOptions } from '../db/connect.ts';
import { deferWakes } from '../db/notify.ts';
import { UsageFault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import type { Log } from '../logging/log.ts';
import { throttledLogger } from '../logging/throttled-log.ts';
import { openTexts } from '../notifications/texts.ts';
import type { RequestLimitSettings } from './limits.ts';
import { isLoopbackHost } from './loopback.ts';
import type { ReadinessCheck } from './readiness.ts';
import type { RouteContext } from './route.ts';
import { openServer } from './server.ts';
import { builtFolder, requireBuiltFolder } from './ui/files.ts';
import { computeUiOrigin, findCookieObstacle } from './ui/origin.ts';
import type { UiOptions } from './ui/routes.ts';

// Starts and stops the API of the service.

export interface RunningApi {
  /** `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Completes current requests and accepts no new ones. */
  stop(): Promise<void>;
}

export interface ApiDatabase extends Pick<RouteContext, 'url'> {
  readonly config: Config;
  /** Further checks of `/readyz`. */
  readonly readiness?: readonly ReadinessCheck[];
}

/** A page of a list takes milliseconds. A longer statement ends and returns its connection. */
const readLimits = {
  statementMs: 5 * secondMs,
  lockMs: 2 * secondMs,
  idleInTransactionMs: 15 * secondMs,
};

const createReadPoolOptions = (connectionsMax: number): PoolOptions => ({
  prepared: true,
  limits: readLimits,
  waitMs: readLimits.statementMs,
  connectionsMax,
});

/** @throws UsageFault that names the address, or the file of a certificate */
export async function startApi(database: ApiDatabase, log: Log): Promise<RunningApi> {
  const { url, config } = database;
  const { currency } = config.file;
  const http = { host: '127.0.0.1', port: 8_080, ...config.file.http };
  const tls = http.tls === undefined ? undefined : readTls(config, http.tls);
  const ui = config.file.ui && toUiOptions(config);
  // Separate connections for many small prepared statements, so that they do not wait for a batch.
  // Commands, reads and lists have one pool each, so that slow reads cannot stop sales.
  const open = (options: PoolOptions) => {
    const pool = openPool(url, options);
    return { pool, db: openDatabase(pool) };
  };
  const pools = {
    db: open({ prepared: true }),
    reads: open(createReadPoolOptions(6)),
    lists: open(createReadPoolOptions(3)),
  };
  const logThrottled = throttledLogger(log);
  const wakes = deferWakes(pools.db.db, (error) => logThrottled(error, 'wake-up'));
  const server = await openServer({
    db: pools.db.db,
    reads: pools.reads.db,
    lists: pools.lists.db,
    url,
    log,
    currency,
    limits: toLimitSettings(config),
    texts: openTexts({ folder: toNoticeSettings(config).folder }),
    ...(database.readiness && { readiness: database.readiness }),
    ...(ui && { ui }),
    ...(http.trusted_proxies && { trustedProxies: http.trusted_proxies }),
    ...(tls && { tls }),
  });
  const stop = async () => {
    await server.close();
    await wakes.flush();
    await Promise.all(Object.values(pools).map(({ db, pool }) => closeDatabase(db, pool)));
  };
  const { host, port } = http;
  try {
    const address = await server.listen({ host, port });
    if (tls === undefined && !isLoopbackHost(host)) {
      log.warn(
        { address },
        'http: tokens travel in plain text here; set http.tls, or put a proxy with TLS before it',
      );
    }
    const obstacle = ui && findCookieObstacle(config.file);
    if (obstacle !== undefined) log.warn({ address }, obstacle);
    return { address, stop };
  } catch (error) {
    await stop();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageFault(
      'no_listen',
      `http: can't listen on ${host}:${port}: ${describeListenError(code, message)}`,
      error,
    );
  }
}

function toUiOptions({ file }: Config): UiOptions {
  const origin = computeUiOrigin(file);
  const host = origin === undefined ? undefined : new URL(origin).hostname;
  return { host, folder: requireBuiltFolder(builtFolder) };
}

function toLimitSettings({ file: { http } }: Config): Partial<RequestLimitSettings> {
  if (http === undefined) return {};
  return {
    perTokenMax: http.per_minute,
    perAddressMax: http.per_minute_without_token,
    linksMax: http.per_minute_links,
    refusedTokensMax: http.per_minute_refused_tokens,
  };
}

function describeListenError(code: string | undefined, message: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program listens there; set http.port to another port, or to 0 for any free port';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address; set http.host';
    case 'EACCES':
      return 'this user may not; set http.port to one above 1023';
    default:
      return message;
  }
}

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
