import { Gauge, Registry } from 'prom-client';
import type { Db } from '../db/connect.ts';
import { hourMs, minuteMs } from '../kernel/instant.ts';
import { readMrrMetrics, readRecentMetrics } from '../reports/current-figures.ts';
import { readMetrics } from '../runs/metrics.ts';
import { FigureCache } from './figure-cache.ts';
import { RequestMetrics } from './request-metrics.ts';

// Metrics for Prometheus. Those of the database are read at each request, and are equal on all
// replicas. Figures of the business are read at most once a minute, and MRR once an hour. Those of
// requests belong to this replica. No metric names a customer, the address of a node or a token.

export class Metrics {
  readonly #db: Db;
  readonly #registry = new Registry();
  /** The gauges of the last scrape. A metric that is absent now does not keep its last value. */
  #names: readonly string[] = [];
  readonly #recent: FigureCache;
  readonly #mrr: FigureCache;
  readonly requests = new RequestMetrics(this.#registry);

  /** @param logFailure logs why figures of the business are absent */
  constructor(db: Db, logFailure: (error: unknown) => void) {
    this.#db = db;
    this.#recent = new FigureCache(() => readRecentMetrics(db), minuteMs, logFailure);
    this.#mrr = new FigureCache(() => readMrrMetrics(db), hourMs, logFailure);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const metrics = [
      ...(await readMetrics(this.#db)),
      ...(await this.#recent.read()),
      ...(await this.#mrr.read()),
    ];
    for (const name of this.#names) this.#registry.removeSingleMetric(name);
    this.#names = metrics.map(({ name }) => name);
    for (const { name, help, labels, values } of metrics) {
      const registers = [this.#registry];
      const gauge = new Gauge({ name, help, labelNames: [...labels], registers });
      for (const { of, value } of values) gauge.set(of, value);
    }
    return this.#registry.metrics();
  }
}
