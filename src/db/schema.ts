import type { ColumnType, Generated, GeneratedAlways } from 'kysely';
import type {
  CredentialId,
  CustomerId,
  LedgerEntryId,
  PeriodId,
  RunId,
  SubscriptionId,
} from '../kernel/ids.ts';
import type { ClockStateTable, ClockWitnessTable } from './clock-schema.ts';
import type { Json, MaybeTime, Time } from './columns.ts';
import type { BulkItemTable, BulkJobTable } from './schema-bulk.ts';
import type { ledgerKinds, PaymentLinks } from './schema-ledger.ts';
import type { OperatorLinkTable, OperatorSessionTable } from './schema-operators.ts';
import type { PeriodTerms } from './schema-period.ts';
import type {
  ChargeForecastTable,
  KnownPriceTable,
  PlanPriceTable,
  PriceReviewTable,
} from './schema-prices.ts';
import type {
  AuditBaselineTable,
  AuditDigestTable,
  AuditResultTable,
  ConfirmationTable,
  IdempotencyTable,
  InstallationTable,
  MigrationTable,
  PrunedTable,
  QuarantineTable,
  SettingTable,
  WorkerStateTable,
} from './schema-program.ts';

// The types of the tables in migrations/*.sql. A bigint is a bigint. A timestamptz is read as an
// Instant and written as ISO text (`isoTime`). jsonb is read as a value and written as text.

export type SubscriptionKind = 'trial' | 'paid';
export type SubscriptionState = 'active' | 'expired' | 'revoked';
export type PeriodSource = 'trial' | 'purchase' | 'renewal' | 'grant' | 'import';
export type LedgerKind = (typeof ledgerKinds)[number];
export type RunOutcome =
  | 'running'
  | 'success'
  | 'partial'
  | 'skipped'
  | 'degraded'
  | 'failed'
  | 'lost';
export type NoticeState = 'pending' | 'sending' | 'sent' | 'uncertain' | 'suppressed' | 'failed';
/** A JSON object that was read from the database. */
export type JsonObject = Record<string, unknown>;

export interface CustomerTable {
  id: GeneratedAlways<CustomerId>;
  telegram_id: bigint;
  locale: Generated<string>;
  time_zone: Generated<string>;
  currency: string;
  balance_minor: Generated<bigint>;
  claim_minor: Generated<bigint>;
  vip: Generated<boolean>;
  discount_percent: Generated<number>;
  trial_used_at: MaybeTime;
  reachable: Generated<boolean>;
  sub_token: string;
  created_at: Time;
  blocked_at: MaybeTime;
  blocked_reason: string | null;
}

export interface PlanTable {
  key: string;
  title: Json<Record<string, string>>;
  groups: string[];
  retired_at: MaybeTime;
}

export interface SubscriptionTable {
  id: GeneratedAlways<SubscriptionId>;
  customer_id: CustomerId;
  kind: SubscriptionKind;
  plan: string;
  period_days: number;
  next_plan: string | null;
  next_period_days: number | null;
  state: SubscriptionState;
  started_at: Time;
  expires_at: Time;
  auto_renew: Generated<boolean>;
  next_try_at: MaybeTime;
  remind_at: MaybeTime;
  changes_at: MaybeTime;
  woken_at: MaybeTime;
}

export interface LedgerEntryTable extends PaymentLinks {
  id: GeneratedAlways<LedgerEntryId>;
  customer_id: CustomerId;
  amount_minor: bigint;
  balance_after_minor: bigint;
  kind: LedgerKind;
  idempotency_key: string;
  provider: string | null;
  provider_ref: string | null;
  created_at: Time;
}

export interface PeriodTable extends PeriodTerms {
  id: GeneratedAlways<PeriodId>;
  subscription_id: SubscriptionId;
  customer_id: CustomerId;
  source: PeriodSource;
  plan: string;
  starts_at: Time;
  ends_at: Time;
  amount_minor: Generated<bigint>;
  currency: string;
  ledger_entry_id: LedgerEntryId | null;
  refunded_at: MaybeTime;
  refund_entry_id: LedgerEntryId | null;
  cap_minor: Generated<bigint | null>;
}

export interface CredentialTable {
  id: CredentialId;
  subscription_id: SubscriptionId;
  customer_id: CustomerId;
  issued_at: Time;
  retired_at: MaybeTime;
  replaced: Generated<boolean>;
}

export interface NodeTable {
  id: string;
  api: string;
  inbounds: string[];
  groups: string[];
  tls: Json<unknown>;
  link: Json<JsonObject>;
  boot_at: MaybeTime;
  seeded_boot_at: MaybeTime;
  failures: Generated<number>;
  open_until: MaybeTime;
  keeper_epoch: Generated<bigint>;
  last_seen_at: MaybeTime;
  last_error: string | null;
  seed_after: CredentialId | null;
  seed_marked: Generated<bigint>;
  reconciled_at: MaybeTime;
  reconcile_failures: Generated<number>;
  reconcile_open_until: MaybeTime;
  reconcile_error: string | null;
  former_inbounds: Generated<string[]>;
  down_since: MaybeTime;
  added_at: MaybeTime;
  link_error: string | null;
  uptime_s: Generated<bigint | null>;
}

export interface AccessSyncTable {
  node_id: string;
  credential_id: CredentialId;
  version: Generated<bigint>;
  urgent: Generated<boolean>;
  attempts: Generated<number>;
  next_attempt_at: Time;
  last_error: string | null;
  marked_at: Time;
  replace: Generated<boolean>;
  removes: Generated<boolean>;
  lost: Generated<number>;
}

export interface MarkingTable {
  id: GeneratedAlways<bigint>;
  node_id: string;
  plan: string;
  urgent: boolean;
  replace: boolean;
  removes: Generated<boolean>;
  after: CredentialId | null;
  ordered_at: Time;
}

export interface StrayTable {
  node_id: string;
  name: string;
  ours: CredentialId | null;
  shared: CredentialId | null;
  boot_at: MaybeTime;
  version: Generated<bigint>;
  attempts: Generated<number>;
  next_attempt_at: Time;
  last_error: string | null;
  confirmed_at: Time;
}

export interface NotificationTable {
  id: GeneratedAlways<bigint>;
  customer_id: CustomerId | null;
  subscription_id: SubscriptionId | null;
  channel: string;
  kind: string;
  dedupe_key: string;
  params: Json<JsonObject>;
  state: Generated<NoticeState>;
  reason: string | null;
  attempts: Generated<number>;
  next_attempt_at: Time;
  sending_since: MaybeTime;
  sent_at: MaybeTime;
  message_id: bigint | null;
  created_at: Time;
  recipient: string | null;
  bulk: Generated<boolean>;
  epoch: bigint | null;
  lost_answers: Generated<number>;
  plain: Generated<boolean>;
}

export interface CourierTable {
  id: string;
  epoch: Generated<bigint>;
  rests_until: MaybeTime;
  failures: Generated<number>;
  last_error: string | null;
  looked_at: MaybeTime;
  passed_at: MaybeTime;
}

export interface WorkerRunTable {
  id: GeneratedAlways<RunId>;
  worker: string;
  replica: string;
  replica_number: number;
  started_at: Time;
  finished_at: MaybeTime;
  outcome: Generated<RunOutcome>;
  examined: Generated<bigint>;
  changed: Generated<bigint>;
  failed: Generated<bigint>;
  detail: ColumnType<JsonObject, string | undefined, string>;
}

export interface EventTable {
  id: GeneratedAlways<bigint>;
  customer_id: CustomerId | null;
  subject: string;
  action: string;
  actor: string;
  at: Time;
  detail: ColumnType<JsonObject, string | undefined, string>;
}

export interface Database {
  'perennial.installation': InstallationTable;
  'perennial.customer': CustomerTable;
  'perennial.plan': PlanTable;
  'perennial.plan_price': PlanPriceTable;
  'perennial.subscription': SubscriptionTable;
  'perennial.ledger_entry': LedgerEntryTable;
  'perennial.period': PeriodTable;
  'perennial.credential': CredentialTable;
  'perennial.node': NodeTable;
  'perennial.access_sync': AccessSyncTable;
  'perennial.marking': MarkingTable;
  'perennial.stray': StrayTable;
  'perennial.notification': NotificationTable;
  'perennial.courier': CourierTable;
  'perennial.quarantine': QuarantineTable;
  'perennial.worker_run': WorkerRunTable;
  'perennial.event': EventTable;
  'perennial.idempotency': IdempotencyTable;
  'perennial.setting': SettingTable;
  'perennial.clock_state': ClockStateTable;
  'perennial.clock_witness': ClockWitnessTable;
  'perennial.worker_state': WorkerStateTable;
  'perennial.pruned': PrunedTable;
  'perennial.audit_baseline': AuditBaselineTable;
  'perennial.audit_digest': AuditDigestTable;
  'perennial.audit_result': AuditResultTable;
  'perennial.confirmation': ConfirmationTable;
  'perennial.charge_forecast': ChargeForecastTable;
  'perennial.known_price': KnownPriceTable;
  'perennial.price_review': PriceReviewTable;
  'perennial.migration': MigrationTable;
  'perennial.bulk_job': BulkJobTable;
  'perennial.bulk_item': BulkItemTable;
  'perennial.operator_link': OperatorLinkTable;
  'perennial.operator_session': OperatorSessionTable;
}
