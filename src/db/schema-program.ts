import type { ColumnType } from 'kysely';
import type { Instant } from '../kernel/instant.ts';

// Tables about the program itself: the progress of workers, and what retention deleted.

export interface WorkerStateTable {
  worker: string;
  runs: ColumnType<bigint, bigint | undefined, bigint>;
  passed_at: ColumnType<Instant, string, string> | null;
}

export interface PrunedTable {
  kind: 'notices' | 'events';
  before: ColumnType<Instant, string, string>;
}

export interface MigrationTable {
  version: number;
  name: string;
  checksum: string;
  oldest_program: string;
  applied_at: ColumnType<Instant, string | undefined, never>;
}
