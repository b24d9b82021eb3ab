import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { UsageFault } from '../../../kernel/faults.ts';
import { collectValues } from '../../arguments.ts';
import { type BulkOptions, buildBulkCommand } from '../../bulk-run.ts';
import { buildCommand, type DatabaseOpener } from '../../command.ts';

interface SendOptions extends BulkOptions {
  readonly text?: readonly string[];
  readonly file?: readonly string[];
}

/** `perennial notice send`: the operator's own text to many customers. */
export function buildNoticeSendCommand(open: DatabaseOpener): Command {
  const build = buildCommand('send', 'send a text to all customers that meet conditions')
    .option(
      '--text <LANG=TEXT>',
      'send this text in a language, like en="Hello" [from files]',
      collectValues,
    )
    .option('--file <LANG=FILE>', 'read the text of a language from FILE [no file]', collectValues);
  return buildBulkCommand<SendOptions>(open, build, async ({ text = [], file = [] }) => {
    const given = text.map((pair) => splitPair('--text', pair));
    const read = await Promise.all(
      file.map(async (pair) => {
        const [language, path] = splitPair('--file', pair);
        return [language, (await readText(path)).trim()] as const;
      }),
    );
    // Without a prototype, so that `__proto__` is refused like any other unknown language.
    const texts: Record<string, string> = Object.create(null);
    for (const [language, content] of [...given, ...read]) {
      if (Object.hasOwn(texts, language))
        throw new UsageFault('bad_texts', `"${language}" has two texts; expected one`);
      texts[language] = content;
    }
    return { action: 'announcement', texts };
  });
}

function splitPair(option: string, pair: string): readonly [language: string, value: string] {
  const at = pair.indexOf('=');
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
  throw new UsageFault(
    'bad_texts',
    `${option}: "${pair.slice(0, 80)}" is not a pair; expected a language and a value, like en=…`,
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageFault('no_file', `--file: ${path} cannot be read (${code})`, error);
  }
}
