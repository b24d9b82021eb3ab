import type { Instant } from '../../kernel/instant.ts';
import type { DueKey, DueNotice } from './store.ts';

// The states and transitions of a courier during one walk over everything that is due.
//
// The states:
// - recovery: Settle the sends that have no courier any more.
// - page: Read the next due notifications, unless the walk stops or the account pauses.
// - delivery: Claim and send the notifications of this page.
// - answers: The walk has visited everything that is due. Wait for the pending answers.
// - gap: Only recipients of a recent message are left. Wait until one is free.
// - end: The walk ended with a result.
//
// The transitions:
// - recovery to page: always
// - page to end: The courier stops, its time is over, or the account pauses.
// - page to delivery: The page was read.
// - delivery to page: A wake-up leads to the first page, because new notifications may go first.
//   Otherwise the page after the last visited notification follows.
// - delivery to answers: The last page was visited completely.
// - answers to page: The account pauses. The check before the page ends the walk.
// - answers to gap: A recipient was not free.
// - answers to end: The courier stops, or nothing is due any more.
// - gap to page: always the first page

export type WalkResult =
  /** Everything that was due at `startedAt` was visited. */
  | { readonly is: 'done'; readonly startedAt: Instant | undefined }
  /** The courier stops, or its time is over. */
  | { readonly is: 'stopped' }
  | { readonly is: 'paused'; readonly ms: number; readonly error: string };

interface Progress {
  /** The last visited notification; undefined: the first page is next. */
  readonly after: DueKey | undefined;
  /** When the walk last began at the first page. */
  readonly startedAt: Instant | undefined;
  /** ms until the first of the skipped recipients is free; infinite: none was skipped. */
  readonly freeInMs: number;
}

export interface PageState extends Progress {
  readonly kind: 'page';
}

export interface DeliveryState extends Progress {
  readonly kind: 'delivery';
  readonly page: readonly DueNotice[];
  /** No further notification was due when this page was read. */
  readonly isLast: boolean;
}

export interface AnswersState extends Progress {
  readonly kind: 'answers';
}

export type CourierState =
  | { readonly kind: 'recovery' }
  | PageState
  | DeliveryState
  | AnswersState
  | { readonly kind: 'gap'; readonly ms: number }
  | { readonly kind: 'end'; readonly result: WalkResult };

export const firstPage: PageState = {
  kind: 'page',
  after: undefined,
  startedAt: undefined,
  freeInMs: Number.POSITIVE_INFINITY,
};

export interface DuePage {
  readonly page: readonly DueNotice[];
  readonly isLast: boolean;
  readonly startedAt: Instant | undefined;
}

export function afterPage(
  { after, freeInMs }: PageState,
  result: DuePage | Exclude<WalkResult, { is: 'done' }>,
): CourierState {
  if ('is' in result) return { kind: 'end', result };
  return { kind: 'delivery', after, freeInMs, ...result };
}

export interface DeliveryProgress {
  /** How many notifications of the page were visited. */
  readonly visited: number;
  /** ms until the first of their recipients is free. */
  readonly freeInMs: number;
  readonly isWoken: boolean;
}

export function afterDelivery(
  state: DeliveryState,
  { visited, freeInMs: visitedFreeInMs, isWoken }: DeliveryProgress,
): CourierState {
  const { page, isLast, startedAt } = state;
  const freeInMs = Math.min(state.freeInMs, visitedFreeInMs);
  if (isWoken) return { kind: 'page', after: undefined, startedAt, freeInMs };
  const after = page[visited - 1]?.key ?? state.after;
  const kind = isLast && visited === page.length ? 'answers' : 'page';
  return { kind, after, startedAt, freeInMs };
}

export function afterAnswers(
  state: AnswersState,
  { isPaused, isStopping }: { readonly isPaused: boolean; readonly isStopping: boolean },
): CourierState {
  if (isPaused) return { ...state, kind: 'page' };
  if (isStopping) return { kind: 'end', result: { is: 'stopped' } };
  if (state.freeInMs < Number.POSITIVE_INFINITY) return { kind: 'gap', ms: state.freeInMs };
  return { kind: 'end', result: { is: 'done', startedAt: state.startedAt } };
}
