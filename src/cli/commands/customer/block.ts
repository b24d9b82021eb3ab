import type { Command } from 'commander';
import {
  type Block,
  blockCustomer,
  unblockCustomer,
} from '../../../subscription/commands/block.ts';
import { buildCommand, type DatabaseOpener } from '../../command.ts';
import { buildChangeCommand, requireTelegramId } from './call.ts';
import { addDryRunOption, type PreviewOption, runOrPreview } from './reversals.ts';

// `perennial customer block|unblock`.

type BlockOptions = PreviewOption & Pick<Block, 'reason'>;

export const buildBlockCommand = (open: DatabaseOpener): Command =>
  addAction(
    open,
    buildCommand('block <TG>', 'end access now, and refuse purchases, trials and renewals'),
    blockCustomer,
  );

export const buildUnblockCommand = (open: DatabaseOpener): Command =>
  addAction(
    open,
    buildCommand('unblock <TG>', 'restore the access of subscriptions that are still active'),
    unblockCustomer,
  );

function addAction(open: DatabaseOpener, build: Command, act: typeof blockCustomer): Command {
  return buildChangeCommand<BlockOptions>(
    open,
    addDryRunOption(build).requiredOption('--reason <TEXT>', 'record this reason in the timeline'),
    (database, { reason, ...options }, id) =>
      runOrPreview(database, options, (caller) =>
        act(caller, { telegramId: requireTelegramId(id), reason }),
      ),
  );
}
