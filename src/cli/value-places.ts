import { type Argument, type Command, InvalidArgumentError, type Option } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import { collectValues } from './arguments.ts';

// Checks of single values on the command line, the same for every command.
//
// 1. A value is not empty: `--key ''` is a variable of a script without a value.
// 2. An option with one value is given once. The program does not choose one of two values.
// 3. The error of a wrong value begins with its place: the option, or the name of the argument.

/** The message with a long value cut to 80 characters. */
const shortened = (message: string): string =>
  message.replace(/"([^"]{80})[^"]*"/, (_, start: string) => `"${start}…"`);

function readAt<T>(place: string, text: string, read: () => T): T {
  if (text.trim() === '') {
    throw new UsageFault('empty_value', `${place}: "" is empty; expected a value`);
  }
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageFault('bad_argument', `${place}: ${shortened(error.message)}`);
  }
}

/** Checks a value against the choices of its option. */
function choose(choices: readonly string[], text: string): string {
  if (choices.includes(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not a choice; available: ${choices.join(', ')}`);
}

type Parser = <T>(text: string, before: T) => T;

function checkOption(option: Option): void {
  const { parseArg, argChoices, long, flags } = option;
  const place = long ?? flags;
  let isGiven = false;
  option.parseArg = (<T>(text: string, before: T) =>
    readAt(place, text, () => {
      if (isGiven && parseArg !== collectValues) {
        throw new UsageFault('repeated_option', `${place}: is given twice; expected one value`);
      }
      isGiven = true;
      if (argChoices !== undefined) return choose(argChoices, text);
      return parseArg === undefined ? text : parseArg(text, before);
    })) as Parser;
}

function checkArgument(argument: Argument): void {
  const { parseArg, variadic } = argument;
  argument.parseArg = ((text: string, before: string[] | undefined) =>
    readAt(argument.name(), text, () => {
      if (parseArg !== undefined) return parseArg(text, before);
      return variadic ? collectValues(text, before) : text;
    })) as Parser;
}

/** Adds these checks to every option with a value and every argument of a command. */
export function checkValues(command: Command): void {
  for (const option of command.options) if (option.required) checkOption(option);
  for (const argument of command.registeredArguments) checkArgument(argument);
}
