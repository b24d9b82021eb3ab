import { Command } from 'commander';
import { listNodes, toNodeJson } from '../../../catalog/nodes.ts';
import { readClock } from '../../../db/clock.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatNodes } from '../../output/nodes-text.ts';
import { buildNodeAdoptCommand } from './adopt.ts';
import { buildNodeCheckCommand } from './check.ts';
import { buildNodeReconcileCommand } from './reconcile.ts';
import { buildNodeRemoveCommand } from './remove.ts';

/** `perennial node list|check|reconcile|adopt|remove`. */
export function buildNodeCommand(open: DatabaseOpener): Command {
  return new Command('node')
    .addCommand(buildListCommand(open))
    .addCommand(buildNodeCheckCommand(open))
    .addCommand(buildNodeReconcileCommand(open))
    .addCommand(buildNodeAdoptCommand(open))
    .addCommand(buildNodeRemoveCommand(open));
}

interface ListOptions extends CommonOptions {
  readonly wide?: boolean;
}

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list nodes and pending changes')
    .option('--wide', 'print also address, inbounds and full names [fit the terminal]')
    .action((options: ListOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const nodes = await listNodes(db);
        const now = await readClock(db);
        const layout = { now, isWide: options.wide ?? false, columnsMax: process.stdout.columns };
        printResult(options, nodes.map(toNodeJson), () => formatNodes(nodes, layout));
      }),
    );
}
