import { auditBooks, type Fingerprint } from './books-made.ts';
import { serverCpuMs } from './cpu.ts';
import { runEngine, type Work } from './engine.ts';
import { type Place, using } from './place.ts';
import { median, type Row } from './table.ts';

/** What a variant did, in how long; the rest where it can say so. */
export interface Done {
  readonly changed: number;
  readonly ms: number;
  /** Of its own processes, without the server's. */
  readonly cpuMs?: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

/** Renews or ends what is due in the books of this URL, all or some. */
export type Variant = (url: string) => Promise<Done>;

export interface Measured {
  readonly rate: number;
  readonly walBytesEach: number;
  readonly cpuUsEach?: number;
  readonly peakMb?: number;
  readonly eventLoopBlockMs?: number;
}

const renewal: Work = { worker: 'auto-renewal' };

export const engine =
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
 * Lets a variant loose on a fresh copy of a template, warm and checkpointed, after `prepare`. What
 * it left is done by the engine, untimed, and the books are audited: @throws if they are wrong.
 */
export async function measure(
  place: Place,
  template: string,
  variant: Variant,
  { prepare = '', work = renewal }: { prepare?: string; work?: Work } = {},
): Promise<{ measured: Measured; made: Fingerprint }> {
  const url = await place.copy(template, 'measured', prepare);
  try {
    return await using(url, async (client) => {
      const position = async (): Promise<number> =>
        Number((await client.query("SELECT pg_current_wal_insert_lsn() - '0/0' AS at")).rows[0].at);
      const [wal, cpu] = [await position(), await serverCpuMs(client)];
      const { changed, ms, cpuMs, ...more } = await variant(url);
      const [walAfter, cpuAfter] = [await position(), await serverCpuMs(client)];
      await runEngine(url, 1, work);
      const made = await auditBooks(client, url);
      const measured = {
        ...more,
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
    await place.drop('measured');
  }
}

/** Every variant in turn, round after round; each result is given to `told`. */
export async function takeTurns<Name extends string>(
  rounds: number,
  variants: Readonly<Record<Name, () => Promise<{ measured: Measured; made: Fingerprint }>>>,
  say: (line: string) => void,
): Promise<Map<Name, Measured[]>> {
  const names = Object.keys(variants) as Name[];
  const results = new Map(names.map((name): [Name, Measured[]] => [name, []]));
  let books: string | undefined;
  for (let round = 1; round <= rounds; round += 1) {
    for (const name of names) {
      const { measured, made } = await variants[name]();
      results.get(name)?.push(measured);
      const cpu = measured.cpuUsEach;
      const took = cpu === undefined ? '' : `, ${Math.round(cpu)} µs of processor each`;
      say(`round ${round}, ${name}: ${Math.round(measured.rate)}/s${took}; books are right`);
      books ??= JSON.stringify(made);
      if (books !== JSON.stringify(made)) {
        throw new Error(`${name} made other books: ${JSON.stringify(made)} and not ${books}`);
      }
    }
  }
  say(`every variant made the same books: ${books}`);
  return results;
}

const middle = (
  all: readonly Measured[],
  pick: (one: Measured) => number | undefined,
): number | undefined => {
  const values = all.map(pick).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
};

export const rateOf = (all: readonly Measured[] = []): number =>
  middle(all, (one) => one.rate) ?? Number.NaN;

/** The medians of a variant, with what its rate is to others'; `each`: what it made. */
export function rowOf(
  variant: string,
  all: readonly Measured[],
  ratios: Readonly<Record<string, number>>,
  each: 'renewal' | 'ending' | 'reminder' = 'renewal',
): Row {
  return {
    variant,
    rate: Math.round(rateOf(all)),
    ...ratios,
    [`cpu_us_per_${each}`]: middle(all, (one) => one.cpuUsEach),
    peak_mb: middle(all, (one) => one.peakMb),
    [`wal_bytes_per_${each}`]: middle(all, (one) => one.walBytesEach),
    event_loop_block_ms: middle(all, (one) => one.eventLoopBlockMs),
  };
}
