import { totalmem } from 'node:os';

export type Settings = Readonly<Record<string, string | number>>;

const mb = 1024 * 1024;

/** What this machine, or the container's limit, has. */
function memoryMb(): number {
  const limit = process.constrainedMemory();
  return Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) / mb);
}

/** A server that survives a power cut, and keeps the working set of the books in its memory. */
function durable(memory: number): Settings {
  return {
    // A quarter of the memory is PostgreSQL's own advice; the hot part of a million
    // subscriptions fits into 2 GB, and more only makes the checkpoint at a stop longer.
    shared_buffers: `${Math.max(32, Math.min(Math.floor(memory / 4), 2048))}MB`,
    max_wal_size: '4GB',
    // A service that runs for months: one file a weekday, written over after a week.
    logging_collector: 'on',
    log_directory: 'log',
    log_filename: 'postgresql-%a.log',
    log_truncate_on_rotation: 'on',
    log_rotation_size: 0,
  };
}

/** A server whose data nobody misses. */
const throwAway: Settings = {
  shared_buffers: '128MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // Plans and row counts of a test are those that it asked for by ANALYZE.
  autovacuum: 'off',
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '2GB',
};

/** The text of the configuration file that is included last. */
export function settingsText(
  port: number,
  kind: { readonly durable: boolean; readonly settings?: Settings },
): string {
  const memory = memoryMb();
  const settings: Settings = {
    port,
    listen_addresses: '127.0.0.1',
    // A path longer than 107 bytes can't be a socket's, and a data folder may be deep.
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    max_connections: 100,
    effective_cache_size: `${Math.max(64, Math.floor(memory / 2))}MB`,
    random_page_cost: 1.1,
    // Statements that take milliseconds: compiling them takes longer.
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    log_checkpoints: 'off',
    ...(kind.durable ? durable(memory) : throwAway),
    ...kind.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('');
}
