import type { z } from 'zod';

// Reasons why an input is refused, in the words of this API instead of those of a library. A reason
// of a schema takes precedence.

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
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
      return issue.input === undefined ? `is missing; expected ${noun}` : `expected ${noun}`;
    }
    case 'invalid_value':
      return `is not available; available: ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string') return `has fewer than ${issue.minimum} characters`;
      return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string') return `has more than ${issue.maximum} characters`;
      return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`;
    case 'unrecognized_keys':
      return `there is no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'datetime' ? 'is not a time in ISO 8601' : 'has another form';
    case 'invalid_union':
      return 'fits none of the allowed forms';
    default:
      return undefined;
  }
}
