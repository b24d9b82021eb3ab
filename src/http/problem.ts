import type { z } from 'zod';
import { toFault } from '../db/faults.ts';
import { isClockFault } from '../db/trusted-time.ts';
import { type Fault, UsageFault } from '../kernel/faults.ts';

// Errors as problems of RFC 9457. `type` is stable: programs depend on it, never on the sentence.

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** For wrong input: each place with its fault. */
  readonly errors?: readonly { readonly place: string; readonly detail: string }[];
}

/** Statuses by code. Other refusals are a 409: the present state does not allow the request. */
const statuses: Readonly<Record<string, number>> = {
  no_customer: 404,
  no_subscription: 404,
  no_period: 404,
  no_notice: 404,
  no_item: 404,
  no_run: 404,
  no_worker: 404,
  no_node: 404,
  not_found: 404,
  no_plan: 422,
  no_price: 422,
  which_subscription: 422,
  bad_amount: 422,
  future_month: 422,
  other_currency: 422,
  top_up_too_large: 422,
  no_group: 422,
  no_job: 404,
  no_payment: 404,
  no_adjustment: 422,
  same_customer: 422,
  no_payout: 422,
  no_provider: 422,
  no_provider_ref: 422,
  key_reused: 422,
  end_too_late: 422,
  out_of_range: 422,
  balance_too_large: 422,
  short_balance: 402,
  unauthorized: 401,
  bad_link: 401,
  link_used: 401,
  link_expired: 401,
  forbidden: 403,
  cross_site: 403,
  unknown_host: 403,
  bad_method: 405,
  request_timeout: 408,
  uri_too_long: 414,
  bad_expectation: 417,
  headers_too_long: 431,
  bad_input: 400,
  bad_locale: 400,
  bad_time_zone: 400,
  bad_currency: 400,
  bad_discount: 400,
  bad_filter: 400,
  bad_cursor: 400,
  other_list: 400,
  no_filter: 400,
  bad_texts: 400,
  bad_request: 400,
  bad_key: 400,
  key_missing: 400,
  unknown_parameter: 400,
  unavailable: 503,
  too_slow: 503,
  not_ready: 503,
  internal: 500,
  too_large: 413,
  bad_media_type: 415,
  too_many_requests: 429,
  too_many_streams: 429,
  clock_suspect: 503,
  commits_lost: 503,
};

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'No valid token, session or link',
  402: 'The balance is too low',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'The request did not end in time',
  409: 'Not possible in the present state',
  413: 'Too large',
  414: 'The address is too long',
  415: 'Not JSON',
  417: 'Expectation not supported',
  422: 'Not possible with these values',
  429: 'Too many requests',
  431: 'The headers are too long',
  500: 'Internal error',
  503: 'Not available now',
};

/** The next step for a client of the API, by the code of the refusal. */
const hints: Readonly<Record<string, string>> = {
  top_up_too_large: 'a token with the scope admin may credit it',
  which_subscription: 'name one as subscription_id',
  other_plan: 'change-plan moves it to another plan; "new": true buys another subscription',
  unpriced_time: '"forfeit": true drops this time, "when": "next" keeps it',
  no_period: 'GET /v1/customers/{telegram_id} lists the periods',
  no_notice: 'GET /v1/notices lists them',
};

/** The status of a problem with this code. */
export const toStatus = (code: string): number => statuses[code] ?? 409;

export const toProblemType = (code: string): string => `urn:perennial:problem:${code}`;

export function createProblem(
  code: string,
  status: number,
  detail: string,
  errors?: Problem['errors'],
): Problem {
  const title = titles[status] ?? 'Refused';
  const problem = { type: toProblemType(code), title, status, detail };
  return errors === undefined ? problem : { ...problem, errors };
}

/** The answer to a fault. The log contains faults of the server; the answer does not. */
function toProblem(fault: Fault): Problem {
  const { code, kind, statement } = fault;
  if (isClockFault(fault)) return createProblem(code, 503, statement);
  switch (kind) {
    case 'transient':
      if (code === statementTimeout) {
        return createProblem('too_slow', 503, 'the database needed too long; request less');
      }
      return createProblem('unavailable', 503, 'the database cannot be reached now; retry later');
    case 'bug':
      return createProblem('internal', 500, 'internal error; the log has the details');
    case 'permanent':
      if (code in statuses) return createProblem(code, toStatus(code), addHint(code, statement));
      if (fault instanceof UsageFault) return createProblem(code, 400, statement);
      // A constraint of the tables that no check of ours foresaw.
      if (/^pg_/.test(code))
        return createProblem('internal', 500, 'internal error; the log has the details');
      return createProblem(code, 409, addHint(code, statement));
  }
}

/** `query_canceled`: the limit of a statement. */
const statementTimeout = 'pg_57014';

const addHint = (code: string, statement: string): string =>
  hints[code] === undefined ? statement : `${statement}; ${hints[code]}`;

/** Wrong values, each with its place: 422 if all of them are only too large or too small. */
export function createInputProblem(part: string, issues: readonly z.core.$ZodIssue[]): Problem {
  const errors = issues.slice(0, 20).map((issue) => ({
    place: [part, ...issue.path.map(String)].join('.').slice(0, 200),
    detail: issue.message,
  }));
  const [first] = errors;
  const isSize = issues.every((issue) => issue.code === 'custom' && issue.params?.isSize === true);
  if (isSize)
    return createProblem('out_of_range', 422, `${first?.place}: ${first?.detail}`, errors);
  return createProblem('bad_input', 400, `${first?.place}: ${first?.detail}`, errors);
}

/** Refusals of Fastify itself, in the words of this API. */
const frameworkErrors: readonly (readonly [RegExp, code: string, detail: string])[] = [
  [/^FST_ERR_CTP_BODY_TOO_LARGE/, 'too_large', 'the body is too large; 64 kB are allowed'],
  [
    /^FST_ERR_CTP_INVALID_MEDIA|^FST_ERR_CTP_INVALID_TYPE/,
    'bad_media_type',
    'the body is not JSON; expected application/json',
  ],
  [
    /^FST_ERR_CTP_INVALID_CONTENT_LENGTH|^ECONNRESET|^ECONNABORTED/,
    'bad_request',
    'the body is shorter or longer than its stated length',
  ],
  [
    /^FST_ERR_BAD_URL/,
    'bad_request',
    'the address has a % that is not part of a character in UTF-8',
  ],
  [/^FST_ERR_MAX_PARAM_LENGTH/, 'uri_too_long', 'a part of the address has over 200 characters'],
];

/** The problem of an error, with its fault unless it is a refusal of a request. */
export function toThrownProblem(error: unknown): { problem: Problem; fault: Fault | undefined } {
  if (error instanceof ProblemError) return { problem: error.problem, fault: undefined };
  const { statusCode, code = '' } = error as { statusCode?: number; code?: string };
  const rule = frameworkErrors.find(([pattern]) => pattern.test(code));
  if (rule !== undefined) return createRequestProblem(rule[1], rule[2]);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return createRequestProblem('bad_request', 'the request cannot be read');
  }
  const fault = toFault(error);
  return { problem: toProblem(fault), fault };
}

const createRequestProblem = (code: string, detail: string) => ({
  problem: createProblem(code, toStatus(code), detail),
  fault: undefined,
});

/** A problem that a hook throws, before a route answers. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}
