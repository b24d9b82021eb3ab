import { Command } from 'commander';
import { listNodes, type NodeStatus, toNodeJson } from '../../../catalog/nodes.ts';
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
    .description('the Xray servers that customers connect to')
    .addCommand(buildListCommand(open))
    .addCommand(buildNodeCheckCommand(open))
    .addCommand(buildNodeReconcileCommand(open))
    .addCommand(buildNodeAdoptCommand(open))
    .addCommand(buildNodeRemoveCommand(open));
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'the nodes, and what is still to be told to each').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const nodes = await listNodes(db);
        printResult(options, nodes.map(toNodeJson), () => formatNodes(nodes));
      }),
  );
}

function formatNodes(nodes: readonly NodeStatus[]): string {
  if (nodes.length === 0) return 'no nodes yet; "perennial apply FILE" adds them';
  const head = [
    'NODE',
    'API',
    'GROUPS',
    'INBOUNDS',
    'LAST SEEN',
    'DOWN SINCE',
    'FAILURES',
    'OPEN UNTIL',
    'WAITING',
    'OLDEST REMOVAL',
    'LINK',
  ];
  const rows = nodes
    .map(toNodeJson)
    .map((node) => [
      node.id,
      node.api,
      node.leaving ? '(is being emptied)' : node.groups.join(', '),
      node.inbounds.join(', '),
      node.last_seen_at ?? 'never',
      node.down_since ?? '-',
      String(node.failures),
      node.open_until ?? '-',
      String(node.marks_waiting),
      node.oldest_unconfirmed_removal ?? '-',
      node.link_error === null ? '-' : 'no client can connect',
    ]);
  const notes = nodes.flatMap(
    ({ id, marking, confirmed, lastError, linkError, reconcileError }) => [
      ...(marking ? [`${id}: a change is still being marked; there will be more waiting`] : []),
      ...(confirmed === 0n
        ? []
        : [`${id}: names that are confirmed to go, and still there: ${confirmed}`]),
      ...(lastError === null ? [] : [`${id}: ${lastError}`]),
      ...(linkError === null ? [] : [`${id}: ${linkError}`]),
      ...(reconcileError === null ? [] : [`${id}: when compared last: ${reconcileError}`]),
    ],
  );
  return [formatTable([head, ...rows], [6, 8]), ...notes].join('\n');
}
