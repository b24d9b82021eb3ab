import type { Command } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import { toCommandPath } from './usage-faults.ts';

// Options without an effect are refused before a command opens the database.
//
// 1. An option that has an effect only with another option requires that option.
// 2. Of two options that exclude each other, only one is accepted.
//
// `--dry-run` is accepted with every option of its command, so that it can be added to any command
// line to preview it.

/** `option` has an effect only with `needs`. */
interface Requirement {
  readonly option: string;
  readonly needs: string;
  readonly because: string;
}

interface Rules {
  readonly requires?: readonly Requirement[];
  /** Pairs; a third text is the value of the first option that agrees with the second option. */
  readonly excludes?: readonly (readonly [string, string, string?])[];
  /** Options of every command that have no effect on this command. */
  readonly unused?: readonly string[];
}

/** By the path of the command. */
const optionRules: Readonly<Record<string, Rules>> = {
  'customer top-up': {
    requires: [
      { option: '--provider', needs: '--ref', because: 'only both of them name a payment' },
      { option: '--ref', needs: '--provider', because: 'only both of them name a payment' },
    ],
  },
  'customer change-plan': {
    requires: [
      {
        option: '--forfeit',
        needs: '--immediately',
        because: 'a change at the next renewal gives up no time',
      },
    ],
  },
  'customer purchase': {
    requires: [
      { option: '--provider', needs: '--ref', because: 'only both of them name a payment' },
      { option: '--ref', needs: '--provider', because: 'only both of them name a payment' },
      ...['--provider', '--currency', '--confirm'].map((option) => ({
        option,
        needs: '--pay',
        because: 'it is about the payment',
      })),
    ],
    excludes: [['--new', '--subscription']],
  },
  'customer list': { excludes: [['--csv', '--json']] },
  'subscription list': { excludes: [['--csv', '--json']] },
  'customer move-payment': { excludes: [['--adjustment', '--claim']] },
  'customer grant': { excludes: [['--plan', '--subscription']] },
  'customer show': { excludes: [['--qr', '--json']] },
  restore: { unused: ['--now'] },
  'db url': { unused: ['--now'] },
  report: {
    requires: [
      { option: '--out', needs: '--csv', because: 'the figures are printed on standard output' },
    ],
  },
  audit: { excludes: [['--format', '--json', 'json']] },
};

/** The options of the command line, by their long names. */
function readGivenOptions(command: Command): Map<string, unknown> {
  const options = new Map<string, unknown>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') continue;
    options.set(option.long ?? option.flags, command.getOptionValue(name));
  }
  return options;
}

/** @throws UsageFault `unused_option`, `incomplete_options`, `two_targets` */
export function checkOptions(command: Command): void {
  const options = readGivenOptions(command);
  const { requires = [], excludes = [], unused = [] } = optionRules[toCommandPath(command)] ?? {};
  const unusedOption = unused.find((option) => options.has(option));
  if (unusedOption !== undefined) {
    throw new UsageFault(
      'unused_option',
      `${unusedOption}: has no effect on "${toCommandPath(command)}"; remove it`,
    );
  }
  for (const { option, needs, because } of requires) {
    if (!options.has(option) || options.has(needs)) continue;
    throw new UsageFault(
      'incomplete_options',
      `${option}: has no effect without ${needs}, because ${because}; add ${needs} or remove ${option}`,
    );
  }
  for (const [one, other, agreeing] of excludes) {
    if (!options.has(one) || !options.has(other)) continue;
    if (agreeing !== undefined && options.get(one) === agreeing) continue;
    throw new UsageFault(
      'two_targets',
      `${one} and ${other}: exclude each other; remove one of them`,
    );
  }
}
