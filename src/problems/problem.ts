import type { Instant } from '../kernel/instant.ts';
import type { Reason } from '../kernel/reason.ts';
import type { HeldKind } from '../runs/held.ts';

// The problems of an installation that a person has to see, as facts and as answers.

/** A request to the API that applies the remedy of a problem. */
export interface RemedyAction {
  readonly code: 'accept_clock' | 'confirm_held' | 'run_worker' | 'retry_items';
  readonly method: 'POST';
  readonly path: string;
  readonly body: Readonly<Record<string, string | number | boolean>> | null;
  /** The scope that the request needs. */
  readonly scope: 'admin';
}

/** A problem for a person. */
export interface CurrentProblem extends Reason {
  /** null: the start is unknown. */
  readonly since: string | null;
  /** The action that ends the problem, in one or two sentences. */
  readonly remedy: string;
  /** The command that helps. null: there is none. */
  readonly command: string | null;
  /** null: no request applies the remedy. */
  readonly action: RemedyAction | null;
  /** Customers, charges or items that wait. null: the problem has no number. */
  readonly count: number | null;
}

interface NodeFact {
  readonly node: string;
  readonly since: Instant | null;
}

export type ProblemFact =
  | { readonly kind: 'commits_lost'; readonly since: Instant | null; readonly reason: string }
  | {
      readonly kind: 'clock_suspect';
      readonly since: Instant | null;
      readonly cause: string;
      readonly bySeconds: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'table_locked';
      readonly since: Instant | null;
      readonly table: string;
      readonly cause: string;
    }
  | {
      readonly kind: 'worker_silent' | 'worker_fails';
      readonly since: Instant | null;
      readonly worker: string;
      readonly failures: number;
      readonly error: string;
    }
  | {
      readonly kind: 'worker_overdue' | 'notices_overdue';
      readonly since: Instant | null;
      readonly worker: string;
      readonly items: number;
      readonly oldestAt: string;
      readonly cause: string;
    }
  | (NodeFact & {
      readonly kind: 'node_down' | 'node_adds_nothing';
      readonly toAdd: number;
      readonly toRemove: number;
      readonly error: string;
    })
  | (NodeFact & {
      readonly kind: 'removals_late';
      readonly waiting: number;
      readonly oldestAt: string;
    })
  | (NodeFact & { readonly kind: 'node_link_error'; readonly error: string })
  | {
      readonly kind: 'held';
      readonly since: Instant | null;
      readonly what: HeldKind;
      readonly worker: string;
      readonly subject: string;
      readonly held: number;
      /** The hash of prices and settings. */
      readonly terms: string;
    }
  | {
      readonly kind: 'channel_fails';
      readonly since: Instant | null;
      readonly channel: string;
      readonly error: string;
    }
  | {
      readonly kind: 'quarantine';
      readonly since: Instant | null;
      readonly worker: string;
      readonly reason: string;
      readonly items: number;
      /** The first item. */
      readonly item: string;
      readonly sentence: string;
    }
  | {
      readonly kind: 'machine_clock';
      readonly since: Instant | null;
      readonly machine: string;
      readonly sentence: string;
    }
  | {
      readonly kind: 'notices_refused';
      readonly since: Instant | null;
      readonly notice: string;
      readonly error: string;
    };
