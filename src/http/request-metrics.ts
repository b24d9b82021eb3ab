import { Counter, Histogram, type Registry } from 'prom-client';

// Metrics of requests on this replica by method, route and status. The label is the pattern of the
// route, because a path can contain the secret of a link. Unknown paths share one label, so labels
// stay few.

export interface ObservedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
}

const labelNames = ['method', 'route', 'status'] as const;

/** From a lookup to the longest statement of a read. */
const bucketsS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class RequestMetrics {
  readonly #count: Counter<(typeof labelNames)[number]>;
  readonly #seconds: Histogram<(typeof labelNames)[number]>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#count = new Counter({
      name: 'perennial_http_requests_total',
      help: 'Requests that this replica answered.',
      labelNames,
      registers,
    });
    this.#seconds = new Histogram({
      name: 'perennial_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer, of this replica.',
      labelNames,
      buckets: bucketsS,
      registers,
    });
  }

  observe({ method, route, status }: ObservedRequest, tookS?: number): void {
    const labels = { method, route, status: String(status) };
    this.#count.inc(labels);
    if (tookS !== undefined) this.#seconds.observe(labels, tookS);
  }
}
