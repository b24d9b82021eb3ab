import { buildBook } from './book.ts';
import { type Child, startChild } from './child.ts';
import type { KeepersReport } from './keepers-run.ts';
import { openPlace, type Place, using } from './place.ts';
import type { Order, SenderReport } from './sender-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// How fast a node that has forgotten everybody is filled again: from the start of its keeper until
// no mark is left and the books say that it is seeded, so with finding out that it was started, with
// marking, and with writing down what was done. Against the same calls one at a time, and against
// as many in flight as go fastest, by a process that does nothing else. The node is an embedded one
// in a process of its own, near by and far away.

const users = 40_000;
const tags = ['vless-a', 'vless-b'] as const;
const calls = users * tags.length;
const inFlight = [16, 32, 64, 128, 256, 512, 1_024] as const;

interface Scene {
  readonly place: Place;
  readonly node: Child;
  readonly api: string;
  readonly sender: Child;
}

interface Took {
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakMb?: number;
}

async function refuseShort(node: Child): Promise<void> {
  const held = await node.ask<number[]>('users');
  if (held.some((count) => count !== users)) {
    throw new Error(`the node has ${held.join(' and ')} users, not ${users}`);
  }
}

async function fillByKeeper({ place, node, api }: Scene): Promise<Took> {
  await node.ask('restart');
  const adding = `INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '${api}', '{${tags.join(',')}}', '{all}', '{"host": "n.example", "port": 443}')`;
  const url = await place.copy('book', 'measured', adding);
  const keepers = await startChild('keepers', { args: [url] });
  await keepers.told();
  try {
    const ms = await using(url, async (client) => {
      const begunMs = performance.now();
      await keepers.ask('go');
      for (;;) {
        const { rows } = await client.query(`
          SELECT FROM perennial.node n WHERE n.seeded_boot_at = n.boot_at
            AND NOT EXISTS (SELECT FROM perennial.access_sync)`);
        if (rows.length > 0) return performance.now() - begunMs;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    const { cpuMs, peakMb } = await keepers.ask<KeepersReport>('stop');
    await refuseShort(node);
    return { ms, cpuMs, peakMb };
  } finally {
    await keepers[Symbol.asyncDispose]();
    await place.drop('measured');
  }
}

async function fillBySender({ node, sender }: Scene, order: Order): Promise<Took> {
  await node.ask('restart');
  const took = await sender.ask<SenderReport>(JSON.stringify(order));
  if (order[0] === calls) await refuseShort(node);
  return took;
}

/** By slices: the whole is sent with the best alone. */
async function bestInFlight(scene: Scene, say: (line: string) => void): Promise<number> {
  const rates: [number, number][] = [];
  for (const many of inFlight) {
    const slice = Math.min(calls, Math.max(4_000, many * 20));
    const { ms } = await fillBySender(scene, [slice, many]);
    rates.push([(slice * 1_000) / ms, many]);
  }
  const best = rates.toSorted(([a], [b]) => b - a)[0]?.[1] ?? 0;
  const told = rates.map(([rate, many]) => `${many}: ${Math.round(rate)}/s`).join(', ');
  say(`bare sender, in flight ${told}`);
  return best;
}

async function measure(scene: Scene, roundTripMs: number, options: Options): Promise<Row[]> {
  const { rounds, say } = options;
  const best = await bestInFlight(scene, say);
  const few = roundTripMs === 0 ? 4_000 : 200;
  const rates: Record<'keeper' | 'sender' | 'serial', number[]> = {
    ...{ keeper: [], sender: [], serial: [] },
  };
  const cpu: Record<'keeper' | 'sender', number[]> = { keeper: [], sender: [] };
  const peaks: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const keeper = await fillByKeeper(scene);
    const sender = await fillBySender(scene, [calls, best]);
    const serial = await fillBySender(scene, [few, 1]);
    rates.keeper.push((calls * 1_000) / keeper.ms);
    rates.sender.push((calls * 1_000) / sender.ms);
    rates.serial.push((few * 1_000) / serial.ms);
    cpu.keeper.push((keeper.cpuMs * 1_000) / calls);
    cpu.sender.push((sender.cpuMs * 1_000) / calls);
    peaks.push(keeper.peakMb ?? 0);
    const told = Object.entries(rates).map(
      ([who, all]) => `${who} ${Math.round(all.at(-1) ?? 0)}/s`,
    );
    say(`${roundTripMs} ms, round ${round}: ${told.join(', ')}`);
  }
  const row = (name: string, who: keyof typeof rates, more: Omit<Row, 'variant'> = {}): Row => ({
    variant: `${name}, ${roundTripMs} ms`,
    rate: Math.round(median(rates[who])),
    to_bare_sender: median(rates[who]) / median(rates.sender),
    to_one_at_a_time: median(rates[who]) / median(rates.serial),
    ...more,
  });
  return [
    row('keeper', 'keeper', {
      seconds: calls / median(rates.keeper),
      cpu_us_per_call: median(cpu.keeper),
      peak_mb: median(peaks),
    }),
    row(`bare sender, ${best} in flight`, 'sender', { cpu_us_per_call: median(cpu.sender) }),
    row('one call at a time', 'serial'),
  ];
}

async function reseed(options: Options): Promise<Row[]> {
  await using place = await openPlace();
  const size = { subscriptions: users, due: 0, ending: true };
  await place.template('book', (client) => buildBook(client, size));
  await place.copy('book', 'users');
  const rows: Row[] = [];
  for (const roundTripMs of [0, 50]) {
    await using node = await startChild('nodes', { args: ['1', ...tags] });
    const [near = ''] = await node.told<string[]>();
    await using distance =
      roundTripMs === 0
        ? undefined
        : await startChild('distance', { args: [near, `${roundTripMs}`] });
    const api = (await distance?.told<string>()) ?? near;
    await using sender = await startChild('sender', { args: [place.url('users'), api, ...tags] });
    await sender.told();
    rows.push(...(await measure({ place, node, api, sender }, roundTripMs, options)));
  }
  return rows;
}

export const benchmark: Benchmark = {
  says: `a node of ${users} users and two inbounds filled again, near by and 50 ms away`,
  run: reseed,
};
