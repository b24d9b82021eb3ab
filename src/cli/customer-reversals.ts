import type { Command } from 'commander';
import type { LedgerEntryId } from '../kernel/ids.ts';
import { chargeback } from '../subscription/chargeback.ts';
import type { Answer, Call } from '../subscription/command.ts';
import { movePayment } from '../subscription/move-payment.ts';
import { currencyOf } from '../subscription/portrait.ts';
import { previewOf } from '../subscription/preview.ts';
import { waiveClaim } from '../subscription/waive-claim.ts';
import { amount, given, rowId, telegramId } from './arguments.ts';
import { call, changing, type KeyOption, tg } from './customer-call.ts';
import { command, type OpenBooks, type OpenedBooks } from './frame.ts';

// `perennial customer …`: payments that are reversed, or that belong to another customer.

export interface PreviewOption extends KeyOption {
  readonly dryRun?: boolean;
}

export const withPreview = (build: Command): Command =>
  build.option('--dry-run', 'show the answer without a change');

/** Runs a command, or with `--dry-run` only previews it. */
export function runOrPreview<A extends Answer>(
  { db }: Pick<OpenedBooks, 'db'>,
  options: PreviewOption,
  act: (call: Call) => Promise<A>,
): Promise<A> {
  const asked = call(db, options);
  return options.dryRun === true ? previewOf(asked, act) : act(asked);
}

interface ChargebackOptions extends PreviewOption {
  readonly provider: string;
  readonly ref: string;
  readonly dispute: string;
}

export function chargebackCommand(open: OpenBooks): Command {
  const build = withPreview(
    command('chargeback <TG>', 'reverse a payment that the provider took back'),
  )
    .requiredOption('--provider <P>', 'the provider that took the payment')
    .requiredOption('--ref <R>', 'the reference of the payment there')
    .requiredOption('--dispute <ID>', 'the id of the dispute there: entered once');
  return changing<ChargebackOptions>(open, build, (books, options, id) =>
    runOrPreview(books, options, (asked) =>
      chargeback(asked, {
        telegramId: tg(id),
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

export function movePaymentCommand(open: OpenBooks): Command {
  const build = withPreview(
    command('move-payment', 'move a payment to the customer that it belongs to'),
  )
    .requiredOption('--provider <P>', 'the provider that took the payment')
    .requiredOption('--ref <R>', 'the reference of the payment there')
    .requiredOption('--from <TG>', 'the customer that was credited', telegramId)
    .requiredOption('--to <TG>', 'the customer that the payment belongs to', telegramId)
    .option('--adjustment <ID>', 'the ledger entry that took the money back already', rowId)
    .option('--claim', 'what the balance does not cover becomes a claim (default: refused)');
  return changing<MoveOptions>(open, build, (books, options) =>
    runOrPreview(books, options, (asked) =>
      movePayment(asked, {
        provider: options.provider,
        providerRef: options.ref,
        from: options.from,
        to: options.to,
        ...given({
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

export function waiveClaimCommand(open: OpenBooks): Command {
  const build = withPreview(command('waive-claim <TG>', 'waive the claim of a customer'))
    .requiredOption('--reason <TEXT>', 'why; the timeline shows it')
    .option('--amount <AMOUNT>', 'only this part of the claim (default: the whole claim)');
  return changing<WaiverOptions>(open, build, async (books, options, id) => {
    const telegramId = tg(id);
    const part = options.amount;
    const currency = await currencyOf(books.db, telegramId);
    const amountMinor = part === undefined ? undefined : amount(part, currency, '--amount');
    return runOrPreview(books, options, (asked) =>
      waiveClaim(asked, { telegramId, reason: options.reason, ...given({ amountMinor }) }),
    );
  });
}
