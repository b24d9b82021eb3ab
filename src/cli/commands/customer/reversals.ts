import type { Command } from 'commander';
import type { LedgerEntryId } from '../../../kernel/ids.ts';
import { applyChargeback } from '../../../subscription/commands/chargeback.ts';
import { movePayment } from '../../../subscription/commands/move-payment.ts';
import { runPreview } from '../../../subscription/commands/preview.ts';
import { waiveClaim } from '../../../subscription/commands/waive-claim.ts';
import { readCurrency } from '../../../subscription/queries/customer-view.ts';
import type { Caller, CommandResult } from '../../../subscription/store/command-context.ts';
import { omitUndefined, parseAmountOption, parseRowId, parseTelegramId } from '../../arguments.ts';
import { buildCommand, type CommandDatabase, type DatabaseOpener } from '../../command.ts';
import { buildChangeCommand, createCaller, type KeyOption, requireTelegramId } from './call.ts';

// `perennial customer …`: commands on payments that are reversed or belong to another customer.

export interface PreviewOption extends KeyOption {
  readonly dryRun?: boolean;
}

export const addDryRunOption = (build: Command): Command =>
  build.option('--dry-run', 'show the answer that the command would give; change nothing [change]');

/** Runs a command, or with `--dry-run` only previews it. */
export function runOrPreview<A extends CommandResult>(
  { db }: Pick<CommandDatabase, 'db'>,
  options: PreviewOption,
  act: (caller: Caller) => Promise<A>,
): Promise<A> {
  const caller = createCaller(db, options);
  return options.dryRun === true ? runPreview(caller, act) : act(caller);
}

interface ChargebackOptions extends PreviewOption {
  readonly provider: string;
  readonly ref: string;
  readonly dispute: string;
}

export function buildChargebackCommand(open: DatabaseOpener): Command {
  const build = addDryRunOption(
    buildCommand('chargeback <TG>', 'reverse a payment that the provider took back'),
  )
    .requiredOption('--provider <P>', 'name the provider of the payment')
    .requiredOption('--ref <R>', 'name the reference of the payment at the provider')
    .requiredOption('--dispute <ID>', 'name the id of the dispute at the provider, used once');
  return buildChangeCommand<ChargebackOptions>(open, build, (database, options, id) =>
    runOrPreview(database, options, (caller) =>
      applyChargeback(caller, {
        telegramId: requireTelegramId(id),
        provider: options.provider,
        providerRef: options.ref,
        dispute: options.dispute,
      }),
    ),
  );
}

interface MoveOptions extends PreviewOption {
  readonly provider: string;
  readonly ref: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly adjustment?: bigint;
  readonly claim?: boolean;
}

export function buildMovePaymentCommand(open: DatabaseOpener): Command {
  const build = addDryRunOption(
    buildCommand('move-payment', 'move a payment to the customer that it belongs to'),
  )
    .requiredOption('--provider <P>', 'name the provider of the payment')
    .requiredOption('--ref <R>', 'name the reference of the payment at the provider')
    .requiredOption('--from <TG>', 'take the payment from this customer', parseTelegramId)
    .requiredOption('--to <TG>', 'credit the payment to this customer', parseTelegramId)
    .option(
      '--adjustment <ID>',
      'name the ledger entry that took the money back already [none]',
      parseRowId,
    )
    .option('--claim', 'turn the part that the balance does not cover into a claim [refused]');
  return buildChangeCommand<MoveOptions>(open, build, (database, options) =>
    runOrPreview(database, options, (caller) =>
      movePayment(caller, {
        provider: options.provider,
        providerRef: options.ref,
        from: options.from,
        to: options.to,
        ...omitUndefined({
          adjustmentId: options.adjustment as LedgerEntryId | undefined,
          withClaim: options.claim,
        }),
      }),
    ),
  );
}

interface WaiverOptions extends PreviewOption {
  readonly amount?: string;
  readonly reason: string;
}

export function buildWaiveClaimCommand(open: DatabaseOpener): Command {
  const build = addDryRunOption(buildCommand('waive-claim <TG>', 'waive the claim of a customer'))
    .requiredOption('--reason <TEXT>', 'record this reason in the timeline')
    .option('--amount <AMOUNT>', 'waive only this part of the claim [the whole claim]');
  return buildChangeCommand<WaiverOptions>(open, build, async (database, options, id) => {
    const telegramId = requireTelegramId(id);
    const part = options.amount;
    const currency = await readCurrency(database.db, telegramId);
    const amountMinor =
      part === undefined ? undefined : parseAmountOption(part, currency, '--amount');
    return runOrPreview(database, options, (caller) =>
      waiveClaim(caller, { telegramId, reason: options.reason, ...omitUndefined({ amountMinor }) }),
    );
  });
}
