import type { z } from 'zod';

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

/** The fault of a value, as the end of a sentence that begins with its place. */
export function describeConfigIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = typeNames[issue.expected] ?? issue.expected;
      return issue.input === undefined ? `is missing; expected ${noun}` : `is not ${noun}`;
    }
    case 'too_small':
      return issue.origin === 'number'
        ? `is too small; expected ${issue.inclusive ? 'at least' : 'a number above'} ${issue.minimum}`
        : 'is empty; expected a value';
    case 'too_big':
      return `is too large; expected at most ${issue.maximum}`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'invalid_format':
      return issue.format === 'url' ? 'is not a URL' : undefined;
    default:
      return undefined;
  }
}
