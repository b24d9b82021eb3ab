import type { ColumnType, Generated } from 'kysely';
import type { Instant } from '../kernel/instant.ts';
import type { MaybeTime, Time } from './columns.ts';

// Tables about the program itself: the progress of workers, idempotency keys, what retention
// deleted, and the state at the last audit of everything.

export interface InstallationTable {
  only_row: Generated<boolean>;
  id: Generated<string>;
  made_by: Generated<'migrate' | 'demo'>;
  test: Generated<boolean>;
  clock_at: MaybeTime;
  clock_high_at: MaybeTime;
  name: Generated<string>;
}

export interface WorkerStateTable {
  worker: string;
  runs: ColumnType<bigint, bigint | undefined, bigint>;
  passed_at: ColumnType<Instant, string, string> | null;
  last_subscription_id: ColumnType<bigint | null, bigint | undefined, bigint>;
}

export interface PrunedTable {
  kind: 'notices' | 'events';
  before: ColumnType<Instant, string, string>;
}

export interface AuditBaselineTable {
  only_row: ColumnType<boolean, undefined, never>;
  at: ColumnType<Instant, string, string>;
  horizon: bigint;
  written_by: bigint;
  last_ids: ColumnType<Record<string, string>, string, string>;
  notices_since: ColumnType<Instant, string, string>;
  events_since: ColumnType<Instant, string, string>;
  terms: string;
}

export interface AuditDigestTable {
  place: string;
  bucket: number;
  digest: bigint;
}

export interface AuditResultTable {
  kind: 'everything' | 'changes';
  at: ColumnType<Instant, string, string>;
  violations: bigint;
  took_ms: bigint;
}

export interface ConfirmationTable {
  worker: string;
  subject: string;
  held: bigint;
  terms: string;
  actor: string;
  confirmed_at: ColumnType<Instant, string, string>;
}

export interface QuarantineTable {
  worker: string;
  item: string;
  reason: string;
  attempts: Generated<number>;
  retry_at: Time;
  first_seen_at: Time;
}

export interface IdempotencyTable {
  scope: string;
  key: string;
  /** The API token; '' for the command line, '?' for keys from before this column. */
  owner: string;
  fingerprint: string;
  answer: ColumnType<unknown, string | null, string | null>;
  at: ColumnType<Instant, string, string>;
}

export interface MigrationTable {
  version: number;
  name: string;
  checksum: string;
  oldest_program: string;
  applied_at: ColumnType<Instant, string | undefined, never>;
}

export interface SettingTable {
  key: 'discounts' | 'renewal' | 'retention' | 'trial' | 'notices' | 'feed' | 'money';
  value: ColumnType<Record<string, unknown>, string, string>;
}
