import pg from 'pg';
import { connectChecked, toClientConfig, workLimits } from '../db/connect.ts';
import { wakeChannel } from '../db/notify.ts';
import { secondMs } from '../kernel/instant.ts';
import { WakeableSleep } from './wakeable-sleep.ts';

// The database session of a replica whose advisory locks are its leases.
//
// The server ends a session that is silent for `silentMs`, and frees its locks. So another replica
// takes over from a stopped process, a dead machine, or a network that drops packets.

/** Closing a connection that hangs must not delay the next session. */
const closeMaxMs = secondMs;

export interface SessionOptions {
  readonly url: string;
  /** Part of the application name. */
  readonly name: string;
  readonly silentMs: number;
  /** Receives the payload of each wake-up. */
  readonly onWake: (payload: string | undefined) => void;
}

export class LeaseSession {
  readonly client: pg.Client;
  readonly #url: string;
  readonly #config: pg.ClientConfig;
  readonly #lost = new AbortController();

  constructor({ url, name, silentMs, onWake }: SessionOptions) {
    this.#url = url;
    this.#config = toSessionConfig(url, name, silentMs);
    this.client = new pg.Client(this.#config);
    this.client.on('error', () => this.#lost.abort());
    this.client.on('end', () => this.#lost.abort());
    this.client.on('notification', ({ payload }) => onWake(payload));
  }

  /** Aborts when the connection ends, and with it each lock. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Connects and listens for wake-ups. @throws UsageFault, or an error of `pg` */
  async open(): Promise<void> {
    await connectChecked(this.client, this.#url, this.#config);
    await this.client.query(`LISTEN ${wakeChannel}`);
  }

  async close(): Promise<void> {
    const timeLimit = new WakeableSleep().sleep(closeMaxMs, new AbortController().signal);
    await Promise.race([this.client.end(), timeLimit]);
  }
}

function toSessionConfig(url: string, name: string, silentMs: number): pg.ClientConfig {
  const config = toClientConfig(url, workLimits);
  return {
    ...config,
    application_name: `perennial ${name}`,
    // The client detects a lost connection before the server ends the silent session.
    query_timeout: Math.ceil(silentMs * 0.8),
    options: `${config.options} -c idle_session_timeout=${silentMs} -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3`,
  };
}
