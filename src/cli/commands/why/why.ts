import type { Command } from 'commander';
import { explainCustomer } from '../../../explanation/customer.ts';
import { parseTelegramId } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { formatExplanation } from '../../output/why-text.ts';

/** `perennial why TG`: the next charges, the access and the notifications of a customer. */
export function buildWhyCommand(open: DatabaseOpener): Command {
  return buildCommand('why <TG>').action((id: string, options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const explanation = await explainCustomer(db, parseTelegramId(id));
      printResult(options, explanation, () => formatExplanation(explanation));
    }),
  );
}
