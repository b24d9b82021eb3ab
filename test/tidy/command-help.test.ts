import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';
import { findBannedWord, readBannedWords } from './words.ts';

// The style of all help texts (docs/writing.md, "Command line"), over the tree of commands.

/** Base verbs that descriptions start with. A new verb is a line that a review sees. */
const verbs = new Set(
  `accept adopt add allow audit back buy cancel change check choose compare confirm continue correct count create
  credit delete drain drop end exit explain export find format generate give import keep leave list make mark
  migrate move name preview print proceed put read record refund refuse reissue remove renew repeat replace
  resend restore retry return reverse revoke run send set show start take turn undo update wait waive withdraw write`
    .split(/\s+/)
    .filter((verb) => verb !== ''),
);

const bannedWords = readBannedWords();

/** The faults of one description; none: it has the style. */
function findFaults(text: string): string[] {
  const [first = ''] = text.split(/[\s,;:]/);
  const banned = findBannedWord(text, bannedWords);
  return [
    ...(verbs.has(first) ? [] : [`starts with "${first}", not with a verb in the base form`]),
    ...(/[.!]\]?$/.test(text) ? ['ends with a full stop'] : []),
    ...(banned === undefined ? [] : [`contains "${banned}"`]),
    ...(/\b(default|which one|tell|say|message)\b/.test(text) ? ['contains dialect'] : []),
  ];
}

const listCommands = (command: Command): Command[] => [
  command,
  ...command.commands.flatMap(listCommands),
];

const program = await buildProgram();
const commands = listCommands(program);
const toPath = (command: Command): string =>
  command.parent === null ? command.name() : `${toPath(command.parent)} ${command.name()}`;

test.each(commands.map((command) => [toPath(command), command] as const))(
  'the help of `%s` has imperative phrases without dialect',
  (_, command) => {
    const texts = [
      command.description(),
      ...command.options.map((option) => option.description),
      ...command.registeredArguments.map((argument) => argument.description),
    ].filter((text, index) => text !== '' || index === 0);
    expect(texts.flatMap((text) => findFaults(text).map((fault) => `${text}: ${fault}`))).toEqual(
      [],
    );
  },
);

const isOptional = ({ mandatory, long }: Option): boolean => !mandatory && long !== '--version';

test.each(commands.map((command) => [toPath(command), command] as const))(
  'each optional option of `%s` shows its default in brackets',
  (_, command) => {
    const help = command.createHelp();
    const missing = command.options
      .filter(isOptional)
      .filter((option) => !/ \[[^[\]]+\]$/.test(help.optionDescription(option)))
      .map(({ flags }) => flags);
    expect(missing).toEqual([]);
  },
);

test.each([
  ['all that the books have', ['starts with "all"', 'contains "books"']],
  ['list nodes.', ['ends with a full stop']],
  ['print JSON (default: text)', ['contains dialect']],
])('%j has faults', (text, faults) => {
  expect(findFaults(text)).toEqual(faults.map((fault) => expect.stringContaining(fault)));
});
