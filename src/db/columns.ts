import type { ColumnType } from 'kysely';
import type { Instant } from '../kernel/instant.ts';

/** Read as an Instant, written as ISO text. */
export type Time = ColumnType<Instant, string, string>;
export type MaybeTime = ColumnType<Instant | null, string | null | undefined, string | null>;
export type Json<T> = ColumnType<T, string, string>;
