import { formatCount } from '../kernel/count.ts';
import { unreachable } from '../kernel/faults.ts';
import { isoTime } from '../kernel/instant.ts';
import { createReason, type Reason } from '../kernel/reason.ts';
import type { HeldKind } from '../runs/held.ts';
import type { CurrentProblem, ProblemFact, RemedyAction } from './problem.ts';

// The sentence, the remedy and the action of each problem.

type Remedy = Pick<CurrentProblem, 'remedy'> & Partial<CurrentProblem>;

const createProblemItem = (
  { since }: ProblemFact,
  reason: Reason,
  { count = null, command = null, action = null, remedy }: Remedy,
): CurrentProblem => ({
  ...reason,
  since: since === null ? null : isoTime(since),
  remedy,
  command,
  action,
  count,
});

const post = (
  code: RemedyAction['code'],
  path: string,
  body: RemedyAction['body'] = null,
): RemedyAction => ({ code, method: 'POST', path, body, scope: 'admin' });

const acceptClock = {
  command: 'perennial clock accept',
  action: post('accept_clock', '/v1/clock/accept'),
};

/** The only writer of these sentences. */
export function describeProblem(fact: ProblemFact): CurrentProblem {
  const item = (
    params: Reason['params'],
    sentence: string,
    remedy: Remedy,
    code: string = fact.kind,
  ) => createProblemItem(fact, createReason(code, params, sentence), remedy);
  switch (fact.kind) {
    case 'commits_lost': {
      const { reason } = fact;
      return item({ reason }, `the last commits may be lost, and all changes wait: ${reason}`, {
        remedy: 'compare the payments with the provider, then confirm the state of the database',
        ...acceptClock,
      });
    }
    case 'clock_suspect': {
      const { cause, bySeconds, reason } = fact;
      const params = { cause, by_s: bySeconds, reason };
      return item(params, `charges, ends and sales wait because the time is suspect: ${reason}`, {
        remedy: 'correct the clock of the database server; if its time is right, confirm the time',
        ...acceptClock,
      });
    }
    case 'table_locked': {
      const { table, cause } = fact;
      return item({ table, cause }, `the table ${table} is locked as a whole by ${cause}`, {
        remedy: 'end this session; an idle transaction is usually a forgotten database console',
      });
    }
    case 'worker_silent':
      return item(
        { worker: fact.worker, error: fact.error },
        `${fact.worker} does not run: ${fact.error}`,
        {
          remedy: 'start the service, and read its log',
          command: 'perennial start',
        },
      );
    case 'worker_fails': {
      const { worker, failures, error } = fact;
      return item(
        { worker, failures, error },
        `${worker} failed ${formatCount(failures, 'time')} in a row: ${error}`,
        {
          remedy: 'correct the cause that the error names; the next run continues',
          ...runWorker(worker),
        },
      );
    }
    case 'worker_overdue': {
      const { worker, items, oldestAt, cause } = fact;
      return item(
        { worker, items, oldest_at: oldestAt, cause },
        `${worker} leaves ${formatCount(items, 'due subscription')}, the oldest since ${oldestAt}: ${cause}`,
        {
          count: items,
          remedy: 'end the session that holds them; without such a session, start a run',
          ...runWorker(worker),
        },
      );
    }
    case 'notices_overdue': {
      const { items, oldestAt, cause } = fact;
      return item(
        { items, oldest_at: oldestAt, cause },
        `${formatCount(items, 'due notification')} were not sent, the oldest is due since ${oldestAt}: ${cause}`,
        {
          count: items,
          remedy: 'start a service with the key of this channel; end a session that holds its lock',
          command: 'perennial notice couriers',
        },
      );
    }
    case 'node_down':
    case 'node_adds_nothing':
      return describeNode(fact, item);
    case 'removals_late': {
      const { node, waiting, oldestAt } = fact;
      return item(
        { node, waiting, oldest_at: oldestAt },
        `node ${node} has not confirmed ${formatCount(waiting, 'removal')}, the oldest since ${oldestAt}`,
        {
          count: waiting,
          remedy: 'check the node: users whose access has ended may still connect',
          command: `perennial node check ${node}`,
        },
      );
    }
    case 'node_link_error': {
      const { node, error } = fact;
      return item(
        { node, error },
        `customers cannot connect by the links of node ${node}: ${error}`,
        {
          remedy: 'correct the link of the node in the configuration, and apply it',
          command: 'perennial apply perennial.yaml',
        },
      );
    }
    case 'held':
      return describeHeld(fact, item);
    case 'channel_fails': {
      const { channel, error } = fact;
      return item({ channel, error }, `nothing is sent by ${channel}: ${error}`, {
        remedy: 'correct the cause that the error names; the notifications wait and are sent later',
        command: 'perennial notice couriers',
      });
    }
    case 'quarantine': {
      const { worker, reason, items, item: first, sentence } = fact;
      return item(
        { worker, reason, items, item: first, detail: sentence },
        `${formatCount(items, 'item')} of ${worker} in quarantine by ${reason}, like ${first}: ${sentence}`,
        {
          count: items,
          remedy: 'correct what the sentence names, then retry the items',
          command: `perennial quarantine retry --worker ${worker} --reason ${reason}`,
          action: post('retry_items', '/v1/quarantine/retry', { worker, reason }),
        },
      );
    }
    case 'machine_clock': {
      const { machine, sentence } = fact;
      return item({ machine, detail: sentence }, `${sentence}; it runs no workers`, {
        remedy: 'synchronise the clock of this machine',
      });
    }
    case 'notices_refused': {
      const { notice, error } = fact;
      return item({ notice, error }, `a gateway refuses the text of ${notice}: ${error}`, {
        remedy: 'correct the text and its buttons; until then it is sent as plain text',
        command: `perennial notice preview ${notice}`,
      });
    }
    default:
      return unreachable(fact);
  }
}

/** Couriers deliver as long as a service runs, so no run can be requested. */
const runWorker = (worker: string): Partial<CurrentProblem> =>
  worker === 'deliver-notifications'
    ? {}
    : {
        command: `perennial run ${worker}`,
        action: post('run_worker', `/v1/workers/${worker}/runs`),
      };

type CreateItem = (
  params: Reason['params'],
  sentence: string,
  remedy: Remedy,
  code?: string,
) => CurrentProblem;

function describeNode(
  fact: Extract<ProblemFact, { kind: 'node_down' | 'node_adds_nothing' }>,
  item: CreateItem,
): CurrentProblem {
  const { node, since, toAdd, toRemove, error } = fact;
  const at = since === null ? null : isoTime(since);
  const waiting = `${formatCount(toAdd, 'user')} to add and ${formatCount(toRemove, 'user')} to remove`;
  const state =
    fact.kind === 'node_down'
      ? `node ${node} is down${at === null ? '' : ` since ${at}`}`
      : `node ${node} answers, and adds no users`;
  return item(
    { node, down_since: at, to_add: toAdd, to_remove: toRemove, error },
    `${state}; waiting: ${waiting}; last error: ${error}`,
    {
      count: toAdd,
      remedy:
        fact.kind === 'node_down'
          ? 'start Xray on the node, or restore its network; its keeper then applies all changes'
          : 'compare the inbounds of the node with the configuration',
      command: `perennial node check ${node}`,
    },
  );
}

const heldTexts: Readonly<Record<HeldKind, readonly [noun: string, remedy: string]>> = {
  charges: [
    'charge',
    'check the clock, the prices and the list; if the charges are intended, confirm them',
  ],
  ends: ['end', 'check the clock and the list; if these ends are intended, confirm them'],
  removals: ['removal', 'check the list; if these removals are intended, confirm them'],
};

function describeHeld(
  { what, worker, subject, held, terms }: Extract<ProblemFact, { kind: 'held' }>,
  item: CreateItem,
): CurrentProblem {
  const [noun, remedy] = heldTexts[what];
  const isNode = what === 'removals';
  const place = isNode ? ` on node ${subject}` : '';
  return item(
    { worker, subject, held },
    `the guard of ${worker} holds ${formatCount(held, noun)}${place}`,
    {
      count: held,
      remedy,
      command: isNode
        ? `perennial node reconcile ${subject} --dry-run`
        : `perennial run ${worker} --dry-run`,
      action: post('confirm_held', `/v1/workers/${worker}/runs`, {
        ...{ confirm: true, held, if_terms: terms },
        ...(isNode ? { node: subject } : {}),
      }),
    },
    `${what}_held`,
  );
}
