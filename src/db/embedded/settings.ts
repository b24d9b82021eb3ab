import { totalmem } from 'node:os';

export type ServerSettings = Readonly<Record<string, string | number>>;

const mb = 1024 * 1024;

/** The memory of this machine, or the limit of its container. */
function readMemoryMb(): number {
  const limit = process.constrainedMemory();
  return Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) / mb);
}

/** A server that survives a power cut, with memory for the working set of the database. */
function toDurableSettings(memory: number): ServerSettings {
  return {
    // PostgreSQL advises a quarter of the memory. The working set of a million subscriptions fits
    // into 2 GB. More memory makes the checkpoint at a stop longer.
    shared_buffers: `${Math.max(32, Math.min(Math.floor(memory / 4), 2048))}MB`,
    max_wal_size: '4GB',
    // One file per weekday, overwritten after a week.
    logging_collector: 'on',
    log_directory: 'log',
    log_filename: 'postgresql-%a.log',
    log_truncate_on_rotation: 'on',
    log_rotation_size: 0,
  };
}

/** A server for tests: its data may be lost. */
const testSettings: ServerSettings = {
  shared_buffers: '128MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // A test runs ANALYZE itself if it needs statistics.
  autovacuum: 'off',
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '2GB',
};

/** The text of the configuration file that is included last. */
export function formatSettings(
  port: number,
  kind: { readonly durable: boolean; readonly settings?: ServerSettings },
): string {
  const memory = readMemoryMb();
  const settings: ServerSettings = {
    port,
    listen_addresses: '127.0.0.1',
    // The path of a socket has at most 107 bytes, and a data folder may be deep.
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    max_connections: 100,
    effective_cache_size: `${Math.max(64, Math.floor(memory / 2))}MB`,
    random_page_cost: 1.1,
    // Statements take milliseconds. Their compilation takes longer.
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    log_checkpoints: 'off',
    ...(kind.durable ? toDurableSettings(memory) : testSettings),
    ...kind.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('');
}
