import { Command } from 'commander';
import { listNodes, type NodeStatus, toNodeJson } from '../../../catalog/nodes.ts';
import { formatCount } from '../../../kernel/count.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';
import { buildNodeAdoptCommand } from './adopt.ts';
import { buildNodeCheckCommand } from './check.ts';
import { buildNodeReconcileCommand } from './reconcile.ts';
import { buildNodeRemoveCommand } from './remove.ts';

/** `perennial node list|check|reconcile|adopt|remove`. */
export function buildNodeCommand(open: DatabaseOpener): Command {
  return new Command('node')
    .description('list, check, compare, adopt and remove Xray nodes')
    .addCommand(buildListCommand(open))
    .addCommand(buildNodeCheckCommand(open))
    .addCommand(buildNodeReconcileCommand(open))
    .addCommand(buildNodeAdoptCommand(open))
    .addCommand(buildNodeRemoveCommand(open));
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list nodes and pending changes').action((options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const nodes = await listNodes(db);
      printResult(options, nodes.map(toNodeJson), () => formatNodes(nodes));
    }),
  );
}

function formatNodes(nodes: readonly NodeStatus[]): string {
  if (nodes.length === 0) return 'no nodes; add them with "perennial apply FILE"';
  const head = [
    'NODE',
    'API',
    'GROUPS',
    'INBOUNDS',
    'STATUS',
    'LAST SEEN',
    'FAILURES',
    'PENDING',
    'OLDEST REMOVAL',
    'LINK',
  ];
  const rows = nodes
    .map(toNodeJson)
    .map((node) => [
      node.id,
      node.api,
      node.groups.join(', ') || '-',
      node.inbounds.join(', '),
      formatStatus(node),
      node.last_seen_at ?? 'never',
      String(node.failures),
      node.marks_waiting.toLocaleString('en'),
      node.oldest_unconfirmed_removal ?? '-',
      node.link_error === null ? '-' : 'misconfigured',
    ]);
  const notes = nodes.flatMap(
    ({ id, marking, confirmed, lastError, linkError, reconcileError }) => [
      ...(marking ? [`${id}: a change is still being marked; more pending changes follow`] : []),
      ...(confirmed === 0n
        ? []
        : [`${id}: ${formatCount(confirmed, 'confirmed stray user')} left`]),
      ...(lastError === null ? [] : [`${id}: ${lastError}`]),
      ...(linkError === null ? [] : [`${id}: ${linkError}`]),
      ...(reconcileError === null ? [] : [`${id}: last comparison: ${reconcileError}`]),
    ],
  );
  return [formatTable([head, ...rows], [6, 7]), ...notes].join('\n');
}

/** Draining is a decision of a person, so it is stated beside the condition of the node. */
function formatStatus(node: ReturnType<typeof toNodeJson>): string {
  const states = [
    ...(node.leaving ? ['draining'] : []),
    ...(node.down_since === null ? [] : [`down since ${node.down_since}`]),
    ...(node.open_until === null ? [] : [`paused until ${node.open_until}`]),
  ];
  return states.join(', ') || 'up';
}
