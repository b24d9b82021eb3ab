import { Command } from 'commander';
import { listNodes, nodeJson, type ShownNode } from '../catalog/nodes.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';
import { adoptCommand } from './node-adopt.ts';
import { checkCommand } from './node-check.ts';
import { reconcileCommand } from './node-reconcile.ts';
import { removeCommand } from './node-remove.ts';

/** `perennial node list|check|reconcile|adopt|remove`. */
export function nodeCommand(open: OpenBooks): Command {
  return new Command('node')
    .description('the Xray servers that customers connect to')
    .addCommand(listCommand(open))
    .addCommand(checkCommand(open))
    .addCommand(reconcileCommand(open))
    .addCommand(adoptCommand(open))
    .addCommand(removeCommand(open));
}

function listCommand(open: OpenBooks): Command {
  return command('list', 'the nodes, and what is still to be told to each').action(
    (options: CommonOptions) =>
      withBooks(open, options, async ({ db }) => {
        const nodes = await listNodes(db);
        print(options, nodes.map(nodeJson), () => text(nodes));
      }),
  );
}

function text(nodes: readonly ShownNode[]): string {
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
    .map(nodeJson)
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
  const more = nodes.flatMap(({ id, marking, confirmed, lastError, linkError, reconcileError }) => [
    ...(marking ? [`${id}: a change is still being marked; there will be more waiting`] : []),
    ...(confirmed === 0n
      ? []
      : [`${id}: names that are confirmed to go, and still there: ${confirmed}`]),
    ...(lastError === null ? [] : [`${id}: ${lastError}`]),
    ...(linkError === null ? [] : [`${id}: ${linkError}`]),
    ...(reconcileError === null ? [] : [`${id}: when compared last: ${reconcileError}`]),
  ]);
  return [table([head, ...rows], [6, 8]), ...more].join('\n');
}
