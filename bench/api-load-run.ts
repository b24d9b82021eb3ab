import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { HttpConnection, type HttpRequest } from './http-connection.ts';
import { quantile } from './table.ts';

// The load of the benchmark `api`, in a separate process, so that its own processor time is known.
//
// - `closed`: each connection sends its next request after the answer to the last one. This gives
//   the highest rate.
// - `open`: requests are sent at fixed times, without waiting for earlier answers. So a stall
//   counts for every request that meets it.

/**
 * `row`: only of the bare server. `mixed`: mostly the state of a customer, at times a price, a
 * ledger or a payment.
 */
export type LoadKind = 'customer' | 'row' | 'top-up' | 'mixed';

export interface LoadOrder {
  readonly address: string;
  readonly token: string;
  readonly kind: LoadKind;
  readonly customers: number;
  readonly connections: number;
  readonly durationMs: number;
  /** Undefined: a closed loop. */
  readonly perSecond?: number;
}

export interface LoadReport {
  readonly count: number;
  readonly ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: string[];
  /** Processor time of this process. */
  readonly cpuMs: number;
}

function toRequest({ kind, customers, token }: LoadOrder, n: number, run: number): HttpRequest {
  const telegramId = 100_000_001 + ((n * 7_919) % customers);
  const path = `/v1/customers/${telegramId}`;
  const headers = { authorization: `Bearer ${token}` };
  if (kind === 'row') return { method: 'GET', path: `/v1/rows/${telegramId}`, headers };
  const choice = kind === 'customer' ? 0 : kind === 'top-up' ? 9 : n % 10;
  if (choice < 6) return { method: 'GET', path, headers };
  if (choice < 8) {
    const query = `telegram_id=${telegramId}&plan=basic&period_days=30&new=true`;
    return { method: 'GET', path: `/v1/quote?${query}`, headers };
  }
  if (choice === 8) return { method: 'GET', path: `${path}/ledger`, headers };
  const keyed = { 'content-type': 'application/json', 'idempotency-key': `load-${run}-${n}` };
  return {
    method: 'POST',
    path: `${path}/top-ups`,
    headers: { ...headers, ...keyed },
    body: '{"amount": "10"}',
  };
}

let runs = 0;

async function sendLoad(order: LoadOrder): Promise<LoadReport> {
  runs += 1;
  const { address, connections: count, durationMs, perSecond } = order;
  const connections = await Promise.all(
    Array.from({ length: count }, () => HttpConnection.open(address)),
  );
  const tookMs: number[] = [];
  const errors: string[] = [];
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  let next = 0;
  const sendOne = async (connection: HttpConnection, n: number, dueMs: number): Promise<void> => {
    const request = toRequest(order, n, runs);
    const { status, body } = await connection.send(request);
    tookMs.push(performance.now() - dueMs);
    if (status >= 300) errors.push(`${request.method} ${request.path}: ${status} ${body}`);
  };
  const isOver = (): boolean => performance.now() - startedMs >= durationMs;
  const runClosed = async (connection: HttpConnection): Promise<void> => {
    while (!isOver()) await sendOne(connection, next++, performance.now());
  };
  const total = Math.round(((perSecond ?? 0) * durationMs) / 1_000);
  const runOpen = async (connection: HttpConnection): Promise<void> => {
    while (next < total) {
      const n = next++;
      const dueMs = startedMs + (n * 1_000) / (perSecond as number);
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      await sendOne(connection, n, dueMs);
    }
  };
  const run = perSecond === undefined ? runClosed : runOpen;
  await Promise.all(
    connections.map((connection) =>
      run(connection).catch((error: unknown) => void errors.push(String(error))),
    ),
  );
  const ms = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const connection of connections) connection.close();
  return {
    count: tookMs.length,
    ms,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    errors: errors.slice(0, 10),
    cpuMs: (user + system) / 1_000,
  };
}

process.on('message', (order: LoadOrder) => {
  void sendLoad(order).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit(0));
