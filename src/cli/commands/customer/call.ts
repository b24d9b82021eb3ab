import type { Command } from 'commander';
import type { Db } from '../../../db/connect.ts';
import { generateIdempotencyKey, type SubscriptionId } from '../../../kernel/ids.ts';
import type { Caller, CommandResult } from '../../../subscription/store/command-context.ts';
import { parseSubscriptionId, parseTelegramId } from '../../arguments.ts';
import {
  type CommandDatabase,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';

// The common part of commands on a customer: the key, the call and the output of the answer.

export interface KeyOption extends CommonOptions {
  readonly key?: string;
}

export interface SubscriptionOption extends KeyOption {
  readonly subscription?: SubscriptionId;
}

export const createCaller = (db: Db, options: KeyOption): Caller => ({
  db,
  actor: 'cli',
  key: options.key ?? generateIdempotencyKey(),
});

/** Output beside an answer. It is the present state, also if a key returned an earlier answer. */
export interface ExtraOutput {
  readonly json: object;
  readonly text: string;
}

const readNoExtraOutput = async (): Promise<ExtraOutput> => ({ json: {}, text: '' });

/** A command that changes a customer and returns one object. */
export function buildChangeCommand<O extends KeyOption>(
  open: DatabaseOpener,
  build: Command,
  act: (database: CommandDatabase, options: O, ...positional: string[]) => Promise<CommandResult>,
  readExtra: (
    database: CommandDatabase,
    answer: CommandResult,
  ) => Promise<ExtraOutput> = readNoExtraOutput,
): Command {
  return build
    .option(
      '--key <KEY>',
      'return the first answer if this idempotency key was used before [a new key]',
    )
    .action(async (...received: unknown[]) => {
      const options = received.at(-2) as O;
      const positional = received.slice(0, -2) as string[];
      await withDatabase(open, options, async (database) => {
        const answer = await act(database, options, ...positional);
        const extra = await readExtra(database, answer);
        printResult(
          options,
          { ...answer, ...extra.json },
          () => `${formatAnswer(answer)}${extra.text}`,
        );
      });
    });
}

/** One line for each field. A preview states first that nothing was changed. */
function formatAnswer({ dry_run, ...answer }: CommandResult): string {
  const lines = Object.entries(answer).map(([name, value]) => `${name.padEnd(16)} ${value ?? '-'}`);
  const head = dry_run === true ? ['dry run: nothing was changed; the command would answer:'] : [];
  return [...head, ...lines].join('\n');
}

export const requireTelegramId = (text: string | undefined): bigint => parseTelegramId(text ?? '');

export const addSubscriptionOption = (build: Command): Command =>
  build.option(
    '--subscription <ID>',
    'choose this subscription [the only one, or the only active one]',
    parseSubscriptionId,
  );
