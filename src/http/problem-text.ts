import type { z } from 'zod';
import { formatCount } from '../kernel/count.ts';

// Reasons why an input is refused, in the words of this API instead of those of a library. A reason
// of a schema takes precedence.

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** For the `error` option of zod. @returns undefined: the message of the schema itself */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      const noun = nouns[issue.expected] ?? issue.expected;
      if (Array.isArray(issue.input) && issue.expected === 'string')
        return 'is given more than once, or is a list';
      return issue.input === undefined ? `is missing; expected ${noun}` : `is not ${noun}`;
    }
    case 'invalid_value':
      return `is not a choice; available: ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      if (issue.minimum === 1 && issue.origin !== 'number') return 'is empty; expected a value';
      if (issue.origin === 'string')
        return `is too short; expected at least ${formatCount(Number(issue.minimum), 'character')}`;
      return `is too small; expected ${issue.inclusive ? 'at least' : 'a number above'} ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string')
        return `is too long; expected at most ${formatCount(Number(issue.maximum), 'character')}`;
      return `is too large; expected ${issue.inclusive ? 'at most' : 'a number below'} ${issue.maximum}`;
    case 'unrecognized_keys':
      return `there is no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'datetime'
        ? 'is not a time; expected ISO 8601'
        : 'has a wrong format';
    case 'invalid_union':
      return 'has none of the allowed forms';
    default:
      return undefined;
  }
}
