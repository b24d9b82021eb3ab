import { readServerCpuMs } from './cpu.ts';
import { type BenchDatabases, withClient } from './databases.ts';
import { runEngine, type Work } from './engine.ts';
import { auditDatabase, type Fingerprint } from './fingerprint.ts';
import { median, type Row } from './table.ts';

/** The work and time of a variant, and further figures if it has them. */
export interface VariantResult {
  readonly changed: number;
  readonly ms: number;
  /** Processor time of its processes, without the server. */
  readonly cpuMs?: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

/** Renews or expires due subscriptions of the database of this URL, all or a part. */
export type Variant = (url: string) => Promise<VariantResult>;

export interface Measured {
  readonly rate: number;
  readonly walBytesEach: number;
  readonly cpuUsEach?: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

const renewal: Work = { worker: 'auto-renewal' };

export const toEngineVariant =
  (processes: number, work: Work = renewal): Variant =>
  async (url) => {
    const { ms, reports } = await runEngine(url, processes, work);
    return {
      ms,
      changed: reports.reduce((sum, { changed }) => sum + changed, 0),
      cpuMs: reports.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      peakMb: Math.max(...reports.map(({ peakMb }) => peakMb)),
      eventLoopBlockMs: Math.max(...reports.map(({ eventLoopBlockMs }) => eventLoopBlockMs)),
    };
  };

/**
 * Runs a variant on a fresh copy of a template, loaded and checkpointed, after `prepare`. The
 * engine then does the rest untimed, and the database is audited. @throws Error if the audit fails
 */
export async function measureVariant(
  databases: BenchDatabases,
  template: string,
  variant: Variant,
  { prepare = '', work = renewal }: { prepare?: string; work?: Work } = {},
): Promise<{ measured: Measured; made: Fingerprint }> {
  const url = await databases.copy(template, 'measured', prepare);
  try {
    return await withClient(url, async (client) => {
      const position = async (): Promise<number> =>
        Number((await client.query("SELECT pg_current_wal_insert_lsn() - '0/0' AS at")).rows[0].at);
      const [wal, cpu] = [await position(), await readServerCpuMs(client)];
      const { changed, ms, cpuMs, ...rest } = await variant(url);
      const [walAfter, cpuAfter] = [await position(), await readServerCpuMs(client)];
      await runEngine(url, 1, work);
      const made = await auditDatabase(client, url);
      const measured = {
        ...rest,
        rate: (changed * 1_000) / ms,
        walBytesEach: (walAfter - wal) / changed,
      };
      if (cpu === undefined || cpuAfter === undefined || cpuMs === undefined) {
        return { measured, made };
      }
      const cpuUsEach = ((cpuAfter - cpu + cpuMs) * 1_000) / changed;
      return { measured: { ...measured, cpuUsEach }, made };
    });
  } finally {
    await databases.drop('measured');
  }
}

/** All variants in turn, for some rounds. Each result is logged. */
export async function measureVariants<Name extends string>(
  rounds: number,
  variants: Readonly<Record<Name, () => Promise<{ measured: Measured; made: Fingerprint }>>>,
  log: (line: string) => void,
): Promise<Map<Name, Measured[]>> {
  const names = Object.keys(variants) as Name[];
  const results = new Map(names.map((name): [Name, Measured[]] => [name, []]));
  let firstFingerprint: string | undefined;
  for (let round = 1; round <= rounds; round += 1) {
    for (const name of names) {
      const { measured, made } = await variants[name]();
      results.get(name)?.push(measured);
      const cpu = measured.cpuUsEach;
      const took = cpu === undefined ? '' : `, ${Math.round(cpu)} µs of processor each`;
      log(`round ${round}, ${name}: ${Math.round(measured.rate)}/s${took}; audit passed`);
      firstFingerprint ??= JSON.stringify(made);
      if (firstFingerprint !== JSON.stringify(made)) {
        throw new Error(
          `${name} wrote other rows: ${JSON.stringify(made)} instead of ${firstFingerprint}`,
        );
      }
    }
  }
  log(`every variant wrote the same rows: ${firstFingerprint}`);
  return results;
}

const medianOfDefined = (
  all: readonly Measured[],
  pick: (one: Measured) => number | undefined,
): number | undefined => {
  const values = all.map(pick).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
};

export const computeRate = (all: readonly Measured[] = []): number =>
  medianOfDefined(all, (one) => one.rate) ?? Number.NaN;

/** The medians of a variant, and the ratio of its rate to the others. `each` has its results. */
export function toRow(
  variant: string,
  all: readonly Measured[],
  ratios: Readonly<Record<string, number>>,
  each: 'renewal' | 'ending' | 'reminder' = 'renewal',
): Row {
  return {
    variant,
    rate: Math.round(computeRate(all)),
    ...ratios,
    [`cpu_us_per_${each}`]: medianOfDefined(all, (one) => one.cpuUsEach),
    peak_mb: medianOfDefined(all, (one) => one.peakMb),
    [`wal_bytes_per_${each}`]: medianOfDefined(all, (one) => one.walBytesEach),
    event_loop_block_ms: medianOfDefined(all, (one) => one.eventLoopBlockMs),
  };
}
