import type { Generated, GeneratedAlways } from 'kysely';
import type { CustomerId } from '../kernel/ids.ts';
import type { Json, MaybeTime, Time } from './columns.ts';

// Tables of bulk jobs.

export type BulkAction = 'grant' | 'auto_renew' | 'announcement';
export type BulkJobState = 'running' | 'done' | 'cancelled';
export type BulkOutcome = 'done' | 'skipped' | 'failed';

export interface BulkJobTable {
  id: GeneratedAlways<bigint>;
  action: BulkAction;
  params: Json<Record<string, unknown>>;
  filter: Json<Record<string, string>>;
  actor: string;
  state: Generated<BulkJobState>;
  total: bigint;
  done: Generated<bigint>;
  skipped: Generated<bigint>;
  failed: Generated<bigint>;
  created_at: Time;
  finished_at: MaybeTime;
}

export interface BulkItemTable {
  job_id: bigint;
  customer_id: CustomerId;
  outcome: Generated<BulkOutcome | null>;
  reason: Generated<string | null>;
}
