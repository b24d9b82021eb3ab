import { Gauge, Registry } from 'prom-client';
import type { Db } from '../db/connect.ts';
import { readMetrics } from '../runs/metrics.ts';
import { RequestMetrics } from './request-metrics.ts';

// Metrics for Prometheus. Those of the database are read at each request, and are equal on all
// replicas. Those of requests belong to this replica. No metric names a customer, the address of a
// node or a token.

export class Metrics {
  readonly #db: Db;
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge<string>>();
  readonly requests = new RequestMetrics(this.#registry);

  constructor(db: Db) {
    this.#db = db;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    for (const { name, help, labels, values } of await readMetrics(this.#db)) {
      const gauge = this.#getGauge(name, help, labels);
      gauge.reset();
      for (const { of, value } of values) gauge.set(of, value);
    }
    return this.#registry.metrics();
  }

  #getGauge(name: string, help: string, labelNames: readonly string[]): Gauge<string> {
    const existing = this.#gauges.get(name);
    if (existing !== undefined) return existing;
    const gauge = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
    });
    this.#gauges.set(name, gauge);
    return gauge;
  }
}
