import type { Command } from 'commander';
import type { Db } from '../db/connect.ts';
import { newIdempotencyKey, type SubscriptionId } from '../kernel/ids.ts';
import type { Answer, Call } from '../subscription/command.ts';
import { subscriptionId, telegramId } from './arguments.ts';
import { type CommonOptions, type OpenBooks, type OpenedBooks, print, withBooks } from './frame.ts';

// What the commands on a customer share: the key, the call, and how the answer is printed.

export interface KeyOption extends CommonOptions {
  readonly key?: string;
}

export interface SubscriptionOption extends KeyOption {
  readonly subscription?: SubscriptionId;
}

export const call = (db: Db, options: KeyOption): Call => ({
  db,
  actor: 'cli',
  key: options.key ?? newIdempotencyKey(),
});

/** What is printed with an answer: how things stand now, also when the answer is an earlier one. */
export interface Also {
  readonly json: object;
  readonly text: string;
}

const nothingMore = async (): Promise<Also> => ({ json: {}, text: '' });

/** A command that changes the books and answers with one object. */
export function changing<O extends KeyOption>(
  open: OpenBooks,
  build: Command,
  act: (books: OpenedBooks, options: O, ...positional: string[]) => Promise<Answer>,
  also: (books: OpenedBooks, answer: Answer) => Promise<Also> = nothingMore,
): Command {
  return build
    .option(
      '--key <KEY>',
      'idempotency key: the same request again does nothing and answers the same',
    )
    .action(async (...received: unknown[]) => {
      const options = received.at(-2) as O;
      const positional = received.slice(0, -2) as string[];
      await withBooks(open, options, async (books) => {
        const answer = await act(books, options, ...positional);
        const more = await also(books, answer);
        print(options, { ...answer, ...more.json }, () => `${answerText(answer)}${more.text}`);
      });
    });
}

const answerText = (answer: Answer): string =>
  Object.entries(answer)
    .map(([name, value]) => `${name.padEnd(16)} ${value ?? '-'}`)
    .join('\n');

export const tg = (text: string | undefined): bigint => telegramId(text ?? '');
export const withSubscription = (build: Command): Command =>
  build.option('--subscription <ID>', 'which one, if there are several', subscriptionId);
