import type { NodeStatus } from '../../catalog/nodes.ts';
import { formatCount } from '../../kernel/count.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { formatTable } from '../command.ts';
import { formatAge, formatMinute, formatSpan, formatTimeAndAge } from './time-text.ts';

// The list of nodes for a person: a table, a note for each problem, and a summary.

export interface NodesLayout {
  readonly now: Instant;
  /** All columns, with full names. */
  readonly isWide: boolean;
  /** The width of the terminal. Undefined: not a terminal, so nothing is shortened. */
  readonly columnsMax: number | undefined;
}

export function formatNodes(nodes: readonly NodeStatus[], layout: NodesLayout): string {
  if (nodes.length === 0) return 'no nodes; add them with "perennial apply FILE"';
  return [
    formatNodeTable(nodes, layout),
    ...nodes.flatMap((node) => formatNotes(node, layout.now)),
    formatSummary(nodes, layout.now),
  ].join('\n');
}

/** Names are shortened to this length at least. */
const nameMin = 12;

function formatNodeTable(nodes: readonly NodeStatus[], layout: NodesLayout): string {
  const { isWide, columnsMax } = layout;
  const draw = (nameMax: number): string => {
    const cut = (text: string): string => shorten(text, isWide ? text.length : nameMax);
    const rows = nodes.map((node) => [
      cut(node.id),
      formatStatus(node, layout.now),
      node.lastSeenAt === null ? 'never' : formatAge(node.lastSeenAt, layout.now),
      formatPending(node.waiting - node.removals),
      formatPending(node.removals),
      node.oldestRemoval === null ? '-' : formatSpan(layout.now - node.oldestRemoval),
      node.linkError === null ? 'ok' : 'wrong',
      cut(node.leaving ? '-' : node.groups.join(',')),
      ...(isWide ? [node.api, node.inbounds.join(',')] : []),
    ]);
    const wide = isWide ? ['API', 'INBOUNDS'] : [];
    const head = [
      'NODE',
      'STATUS',
      'CONTACT',
      'ADDS',
      'REMOVALS',
      'AGE',
      'LINK',
      'GROUPS',
      ...wide,
    ];
    return formatTable([head, ...rows], [3, 4]);
  };
  const whole = draw(Number.POSITIVE_INFINITY);
  if (isWide || columnsMax === undefined) return whole;
  const longest = Math.max(...nodes.flatMap((node) => [node.id.length, node.groups.join().length]));
  let table = whole;
  for (let max = longest; max > nameMin && measureWidth(table) > columnsMax; max -= 1) {
    table = draw(max - 1);
  }
  return table;
}

const measureWidth = (table: string): number =>
  Math.max(...table.split('\n').map((line) => line.length));

/** Keeps both ends, because names of nodes often differ in their last part only. */
function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  const start = Math.ceil((max - 1) / 2);
  return `${text.slice(0, start)}…${text.slice(text.length - (max - 1 - start))}`;
}

const formatPending = (count: bigint): string => (count === 0n ? '-' : count.toLocaleString('en'));

/** Draining is a decision of a person, so it is stated beside the condition of the node. */
function formatStatus({ leaving, downSince }: NodeStatus, now: Instant): string {
  const states = [
    ...(leaving ? ['draining'] : []),
    ...(downSince === null ? [] : [`down ${formatSpan(now - downSince)}`]),
  ];
  return states.join(', ') || 'up';
}

function formatNotes(node: NodeStatus, now: Instant): string[] {
  const down = node.downSince === null ? undefined : formatTimeAndAge(node.downSince, now);
  const notes = [
    ...(down === undefined ? [] : [`down since ${down}`]),
    ...(node.marking ? ['a change is still being marked; more pending changes follow'] : []),
    ...(node.confirmed === 0n
      ? []
      : [`${formatCount(node.confirmed, 'confirmed stray user')} left`]),
    ...(node.lastError === null ? [] : [node.lastError]),
    ...(node.linkError === null ? [] : [node.linkError]),
    ...(node.reconcileError === null ? [] : [`last comparison: ${node.reconcileError}`]),
  ];
  return notes.map((note) => `${node.id}: ${note}`);
}

function formatSummary(nodes: readonly NodeStatus[], now: Instant): string {
  const down = nodes.filter(({ downSince }) => downSince !== null).length;
  const pending = nodes.reduce((sum, { waiting }) => sum + waiting, 0n);
  const states = [
    `${nodes.length - down} up`,
    ...(down === 0 ? [] : [`${down} down`]),
    formatCount(pending, 'pending change'),
  ];
  return `${formatCount(nodes.length, 'node')} at ${formatMinute(isoTime(now))}: ${states.join(', ')}`;
}
