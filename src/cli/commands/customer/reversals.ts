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

// `perennial customer …`: payments that are reversed, or that belong to another customer.

export interface PreviewOption extends KeyOption {
  readonly dryRun?: boolean;
}

export const addDryRunOption = (build: Command): Command =>
  build.option('--dry-run', 'show the answer without a change');

/** Runs a command, or with `--dry-run` only previews it. */
export function runOrPreview<A extends CommandResult>(
  { db }: Pick<CommandDatabase, 'db'>,
  options: PreviewOption,
  act: (caller: Caller) => Promise<A>,
): Promise<A> {
  const asked = createCaller(db, options);
  return options.dryRun === true ? runPreview(asked, act) : act(asked);
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
    .requiredOption('--provider <P>', 'the provider that took the payment')
    .requiredOption('--ref <R>', 'the reference of the payment there')
    .requiredOption('--dispute <ID>', 'the id of the dispute there: entered once');
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
    .requiredOption('--provider <P>', 'the provider that took the payment')
    .requiredOption('--ref <R>', 'the reference of the payment there')
    .requiredOption('--from <TG>', 'the customer that was credited', parseTelegramId)
    .requiredOption('--to <TG>', 'the customer that the payment belongs to', parseTelegramId)
    .option('--adjustment <ID>', 'the ledger entry that took the money back already', parseRowId)
    .option('--claim', 'what the balance does not cover becomes a claim (default: refused)');
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
    .requiredOption('--reason <TEXT>', 'why; the timeline shows it')
    .option('--amount <AMOUNT>', 'only this part of the claim (default: the whole claim)');
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
