import { expect, test } from 'vitest';
import { routes } from '../../../src/http/routes/index.ts';
import { type ApiResponse, createKey, startApi, type TestApi } from '../../support/api.ts';
import type { TestDatabase } from '../../support/database.ts';
import { addCustomer, buyPlan, createSubscriber } from '../../support/shop.ts';

// The answers of every route that writes, while the time of the database is suspect. The OpenAPI
// document has to name each of these answers.

const order = { plan: 'basic', period_days: 30 };
const next = { plan: 'plus', period_days: 30 };
const bulk = { action: 'grant', days: 1, where: { state: 'active' } };

type WriteRequests = Readonly<Record<string, readonly [path: string, body?: object]>>;

/** The previews have the body of their change. */
const createPreviewRequests = (changes: WriteRequests): WriteRequests =>
  Object.fromEntries(
    routes
      .filter(({ id }) => id.endsWith('Preview'))
      .map(({ id }) => {
        const [path, body = {}] = changes[id.slice(0, -'Preview'.length)] ?? [''];
        return [id, [`${path}/preview`, body] as const];
      }),
  );

/** A valid request for each route that writes, by the id of the route. */
const createRequests = (id: number): WriteRequests => {
  const customer = '/v1/customers/7';
  const ofSubscription = (place: string, suffix: string) => ({
    [`changeSubscription${suffix}`]: [place, { next }] as const,
    [`changePlan${suffix}`]: [`${place}/change-plan`, { ...next, when: 'next' }] as const,
    [`grant${suffix}`]: [`${place}/grant`, { days: 1 }] as const,
    [`revoke${suffix}`]: [`${place}/revoke`, { reason: 'asked', refund: 'unused' }] as const,
    [`reissue${suffix}`]: [`${place}/reissue`] as const,
  });
  const payment = { provider: 'stars', provider_ref: 'r1' };
  const changes: WriteRequests = {
    createCustomer: ['/v1/customers', { telegram_id: 9 }],
    changeCustomer: [customer, { locale: 'ru' }],
    changeDiscount: [`${customer}/discount`, { vip: true }],
    topUp: [`${customer}/top-ups`, { amount: '1' }],
    adjustBalance: [`${customer}/adjustments`, { amount: '1', reason: 'asked' }],
    purchase: [`${customer}/purchases`, order],
    startTrial: ['/v1/customers/8/trial'],
    refund: [`${customer}/refunds`, { period_id: 1, part: 'whole' }],
    chargeBack: [`${customer}/chargebacks`, { ...payment, dispute: 'd1' }],
    movePayment: ['/v1/payment-moves', { ...payment, from: 7, to: 8 }],
    waiveClaim: [`${customer}/claim-waivers`, { reason: 'asked' }],
    resendNotice: ['/v1/notices/1/resend'],
    cancelNotice: ['/v1/notices/1/cancel'],
    askForRun: ['/v1/workers/raise-alarms/runs'],
    previewRun: ['/v1/workers/raise-alarms/preview'],
    retryItem: ['/v1/quarantine/auto-renewal/1/retry'],
    retryItems: ['/v1/quarantine/retry', { worker: 'auto-renewal' }],
    dismissItem: ['/v1/quarantine/auto-renewal/1/dismiss', { reason: 'asked' }],
    acceptClock: ['/v1/clock/accept'],
    blockCustomer: [`${customer}/block`, { reason: 'asked' }],
    unblockCustomer: [`${customer}/unblock`, { reason: 'asked' }],
    previewBulkJob: ['/v1/bulk-jobs/preview', bulk],
    createBulkJob: ['/v1/bulk-jobs', bulk],
    cancelBulkJob: ['/v1/bulk-jobs/1/cancel'],
    ...ofSubscription(`/v1/subscriptions/${id}`, ''),
    ...ofSubscription(`${customer}/subscriptions/${id}`, 'OfCustomer'),
  };
  return { ...changes, ...createPreviewRequests(changes) };
};

const readCode = ({ json }: ApiResponse): string =>
  String(json.type).replace('urn:perennial:problem:', '');

/** The codes that the document names for a status of a route. */
async function readDocumentedCodes({ send }: TestApi) {
  const { json } = await send('GET', '/openapi.json', { token: '' });
  return (path: string, method: string, status: number): string[] =>
    (json.paths[path][method.toLowerCase()].responses[status]?.description ?? '').split(', ');
}

const makeTimeSuspect = ({ query }: TestDatabase, cause: 'ahead' | 'commits_lost') =>
  query`UPDATE perennial.clock_state SET suspect_at = perennial.clock(),
    suspect_cause = ${cause}, suspect_reason = 'a test', suspect_by_ms = 1`;

test.for([
  ['ahead', 'clock_suspect'],
  ['commits_lost', 'commits_lost'],
] as const)(
  'each answer to a change under the suspicion "%s" is in the document',
  async ([cause, code]) => {
    const api = await startApi();
    const { send, database } = api;
    const id = await createSubscriber(database, 7n, 500_00n);
    await buyPlan(database, 7n, { isNew: true, plan: 'mini' });
    await addCustomer(database, 8n);
    // The sentinel trusts a stored clock.
    await database.query`UPDATE perennial.installation SET clock_at = NULL`;
    const documented = await readDocumentedCodes(api);
    const all = createRequests(Number(id));
    const writing = routes.filter(({ method }) => method !== 'GET');
    expect(Object.keys(all).sort()).toEqual(writing.map((route) => route.id).sort());

    const refused: string[] = [];
    const undocumented: string[] = [];
    for (const route of writing) {
      await makeTimeSuspect(database, cause);
      const [path, body] = all[route.id] ?? [''];
      const key = route.keyed === true ? { key: createKey() } : {};
      const answer = await send(route.method, path, { ...key, ...(body && { body }) });
      if (answer.status < 300) continue;
      if (readCode(answer) === code) refused.push(route.id);
      if (!documented(route.path, route.method, answer.status).includes(readCode(answer))) {
        undocumented.push(`${route.id} ${answer.status} ${readCode(answer)}`);
      }
    }
    expect(undocumented).toEqual([]);
    expect(refused).toEqual(
      expect.arrayContaining(['purchase', 'changeSubscription', 'changePlan']),
    );
    expect(refused.includes('createCustomer')).toBe(cause === 'commits_lost');
  },
);
