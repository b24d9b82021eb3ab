import { existsSync } from 'node:fs';
import type { Config } from '../../../config/config.ts';
import type { DemoDatabase } from '../../../demo/demo-database.ts';
import { type ApiDatabase, startApi } from '../../../http/listen.ts';
import { builtFolder } from '../../../http/ui/files.ts';
import { openLog } from '../../../logging/log.ts';
import { createSignInLink, linkLifetimeMaxMs } from '../../../operators/sign-in-link.ts';

// The dashboard of a demo: the API over its database, on loopback.

export interface DemoDashboard {
  /** Signs in once. */
  readonly link: string;
  stop(): Promise<void>;
}

/** A clone whose dashboard is not built has none. */
export const hasDashboard = (): boolean => existsSync(builtFolder);

/** @param logProblem receives the faults of the API. A demo should have none. */
export async function startDashboard(
  catalog: Config,
  { db, url }: Pick<DemoDatabase, 'db' | 'url'>,
  logProblem: (line: string) => void,
): Promise<DemoDashboard> {
  const log = openLog('error', { write: logProblem }, { format: 'text' });
  const listen = (port: number) => startApi({ url, config: toDemoConfig(catalog, port) }, log);
  const { address, stop } = await listen(8_080).catch((error: unknown) => {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    if (code !== 'EADDRINUSE') throw error;
    return listen(0);
  });
  const request = { name: 'demo', scope: 'admin' as const, lastsMs: linkLifetimeMaxMs };
  const { secret } = await createSignInLink(db, request, 'demo');
  return { link: `${address}/ui/sign-in#${secret}`, stop };
}

function toDemoConfig(catalog: Config, port: number): ApiDatabase['config'] {
  const http = {
    host: '127.0.0.1',
    port,
    per_minute: 60_000,
    per_minute_without_token: 600,
    per_minute_links: 6_000,
    per_minute_refused_tokens: 60,
  };
  return { ...catalog, file: { ...catalog.file, http, ui: {} } };
}
