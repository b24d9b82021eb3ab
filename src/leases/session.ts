import type pg from 'pg';
import { toClientConfig, workLimits } from '../db/connect.ts';

/**
 * A connection whose advisory locks say what this process does alone: it goes when the process dies,
 * and when it says nothing for so long. Seen through the whole line: between processes that stand
 * still and machines that are gone.
 */
export function createSessionConfig(url: string, name: string, silentMs: number): pg.ClientConfig {
  const config = toClientConfig(url, workLimits);
  return {
    ...config,
    application_name: `perennial ${name}`,
    // An answer that doesn't come is a connection that is lost, and sooner than the server says so.
    query_timeout: Math.ceil(silentMs * 0.8),
    options: `${config.options} -c idle_session_timeout=${silentMs} -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3`,
  };
}
