import type { z } from 'zod';
import { faultOf } from '../db/faults.ts';
import { type Fault, UsageFault } from '../kernel/faults.ts';

// What went wrong, as RFC 9457 has it. `type` is stable: programs go by it, never by the sentence.

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** For bad input: each place, and what is wrong with it. */
  readonly errors?: readonly { readonly place: string; readonly detail: string }[];
}

/** Statuses of refusals; one that isn't here is a 409: as the books stand, it can't be done. */
const statusOf: Readonly<Record<string, number>> = {
  no_customer: 404,
  no_subscription: 404,
  no_period: 404,
  no_notice: 404,
  no_item: 404,
  no_worker: 404,
  no_node: 404,
  not_found: 404,
  no_plan: 422,
  no_price: 422,
  which_subscription: 422,
  bad_amount: 422,
  no_provider: 422,
  no_provider_ref: 422,
  key_reused: 422,
  short_balance: 402,
  unauthorized: 401,
  forbidden: 403,
  bad_method: 405,
  too_large: 413,
  bad_media_type: 415,
  too_many_requests: 429,
};

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'No valid token',
  402: 'The balance is short',
  403: 'The token does not allow this',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Not possible as the books stand',
  413: 'Too large',
  415: 'Not JSON',
  422: 'Not possible with these values',
  429: 'Too many requests',
  500: 'A fault of ours',
  503: 'Not available just now',
};

export const problemTypeOf = (code: string): string => `urn:perennial:problem:${code}`;

export function problemOf(
  code: string,
  status: number,
  detail: string,
  errors?: Problem['errors'],
): Problem {
  const title = titles[status] ?? 'Refused';
  const problem = { type: problemTypeOf(code), title, status, detail };
  return errors === undefined ? problem : { ...problem, errors };
}

/** The answer to a fault. What broke in us is told in the log, not to a stranger. */
export function problemOfFault(fault: Fault): Problem {
  const { code, kind, message } = fault;
  switch (kind) {
    case 'transient':
      return problemOf('unavailable', 503, 'the books can not be reached just now; ask again');
    case 'bug':
      return problemOf('internal', 500, 'a fault of ours; the log has it');
    case 'permanent':
      if (code in statusOf) return problemOf(code, statusOf[code] as number, message);
      if (fault instanceof UsageFault) return problemOf(code, 400, message);
      // A constraint of the tables that no check of ours foresaw.
      if (/^pg_/.test(code)) return problemOf('internal', 500, 'a fault of ours; the log has it');
      return problemOf(code, 409, message);
  }
}

/** Values that don't fit, each with its place. */
export function badInput(part: string, issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.slice(0, 20).map((issue) => ({
    place: [part, ...issue.path.map(String)].join('.'),
    detail: issue.message,
  }));
  const [first] = errors;
  return problemOf('bad_input', 400, `${first?.place}: ${first?.detail}`, errors);
}

/** Fastify's own refusals, and whatever else was thrown, as one of our faults. */
export function thrownProblem(error: unknown): { problem: Problem; fault: Fault | undefined } {
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (code?.startsWith('FST_ERR_CTP_BODY_TOO_LARGE')) {
    return own('too_large', 413, 'the body is too large; 64 kB are allowed');
  }
  if (code?.startsWith('FST_ERR_CTP_INVALID_MEDIA')) {
    return own('bad_media_type', 415, 'the body must be application/json');
  }
  if (statusCode === 429) return own('too_many_requests', 429, (error as Error).message);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return own('bad_request', statusCode, (error as Error).message);
  }
  const fault = faultOf(error);
  return { problem: problemOfFault(fault), fault };
}

const own = (code: string, status: number, detail: string) => ({
  problem: problemOf(code, status, detail),
  fault: undefined,
});
