// The routes without a version in the OpenAPI document: probes, figures, the document itself and
// the subscription URL. `unversioned-routes.ts` answers them.

type Json = Record<string, unknown>;

export interface OpenOperation {
  readonly path: string;
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly needsToken: boolean;
  readonly parameters: readonly Json[];
  readonly headers?: Json;
  readonly mediaType: string;
  readonly schema: Json;
  /** Codes of every refusal. */
  readonly refusals: readonly string[];
}

const text = { type: 'string' };

/** Refusals of a request that reaches no route, and of our own faults. */
const always = ['bad_request', 'bad_method', 'request_timeout', 'uri_too_long', 'bad_expectation'];
const more = ['headers_too_long', 'internal'];
const unlimited = [...always, 'unknown_parameter', ...more];
const limited = [...always, 'too_many_requests', ...more, 'unavailable', 'too_slow'];

const statusOnly = (status: string): Json => ({
  type: 'object',
  required: ['status'],
  properties: { status: { const: status } },
});

const header = (description: string): Json => ({ description, schema: text });

const feed = {
  tag: 'subscription URL',
  needsToken: false,
  parameters: [{ name: 'token', in: 'path', required: true, schema: text }],
  headers: {
    'subscription-userinfo': header('`expire` is the end in seconds since 1970, also a past end'),
    'profile-update-interval': header('hours until the client asks again'),
    'profile-title': header('the name, as `base64:…`'),
    'content-disposition': header('the name of a file'),
    announce: header('the text of the operator, as `base64:…`; only if it is set'),
    'support-url': header('only if it is set'),
    'profile-web-page-url': header('only if it is set'),
  },
  mediaType: 'text/plain',
  schema: text,
  refusals: ['not_found', ...limited],
} as const;

/** In the order of the document. */
export const openOperations: readonly OpenOperation[] = [
  {
    path: '/healthz',
    id: 'getHealth',
    tag: 'probes',
    summary: 'Whether this process answers',
    description: 'Needs no token and has no rate limit.',
    needsToken: false,
    parameters: [],
    mediaType: 'application/json',
    schema: statusOnly('ok'),
    refusals: unlimited,
  },
  {
    path: '/readyz',
    id: 'getReadiness',
    tag: 'probes',
    summary: 'Whether this process can serve requests',
    description:
      'Needs no token and has no rate limit. `not_ready` names each reason, as the database.',
    needsToken: false,
    parameters: [],
    mediaType: 'application/json',
    schema: statusOnly('ready'),
    refusals: ['not_ready', ...unlimited],
  },
  {
    path: '/metrics',
    id: 'getMetrics',
    tag: 'probes',
    summary: 'Figures for Prometheus',
    description: 'Needs a token. Each scope includes `metrics`.',
    needsToken: true,
    parameters: [],
    mediaType: 'text/plain',
    schema: text,
    refusals: ['unauthorized', 'unknown_parameter', ...limited],
  },
  {
    path: '/openapi.json',
    id: 'getDocument',
    tag: 'probes',
    summary: 'The OpenAPI document',
    description: 'Needs no token.',
    needsToken: false,
    parameters: [],
    mediaType: 'application/json',
    schema: { type: 'object' },
    refusals: ['unknown_parameter', ...limited],
  },
  {
    ...feed,
    path: '/sub/{token}',
    id: 'getFeed',
    summary: 'The links of a customer, for a client',
    description:
      'Needs no token of the API: the path contains the secret of the customer. One line per link. After the end, the one entry states the end and how to pay. Other query parameters are ignored.',
  },
  {
    ...feed,
    path: '/sub/{token}/',
    id: 'getFeedWithSlash',
    summary: 'The same for a client that adds a slash',
    description: 'As `/sub/{token}`.',
  },
];
