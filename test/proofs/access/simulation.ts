import { runAudit } from '../../../src/audit/audit.ts';
import { drawInteger } from '../../../src/demo/random.ts';
import { Fault } from '../../../src/kernel/faults.ts';
import { secondMs } from '../../../src/kernel/instant.ts';
import { stopwatch } from '../../../src/kernel/stopwatch.ts';
import { runWorker } from '../../support/shop.ts';
import { commands, createFirstCustomers } from './commands.ts';
import { advanceClock, createEnvironment, type Environment } from './environment.ts';
import { environmentEvents, type SimulationEvent } from './events.ts';
import { AccessMonitor } from './monitor.ts';
import { checkSynced } from './synchronization.ts';

// Random events on three nodes. After each event the accepted users are checked. At times, and at
// the end, the simulation waits until nodes equal the database.

export interface SimulationReport {
  readonly events: number;
  readonly refused: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly rests: number;
  /** The number of checked accesses. */
  readonly judged: number;
  /** The longest waits, in probes. */
  readonly longest: AccessMonitor['longest'];
  /** Users that the database had lost, and items in quarantine. */
  readonly strangers: number;
  readonly quarantined: number;
  readonly seconds: number;
  readonly wrong: readonly string[];
}

export interface SimulationOptions {
  readonly events: number;
  readonly seed: number;
  readonly printLine?: (line: string) => void;
}

const weightedEvents: Readonly<Record<string, readonly [count: number, event: SimulationEvent]>> = {
  ...commands,
  ...environmentEvents,
};

const checkEvery = 1_000;
const reportEvery = 250;
const violationMax = 20;
/** The step of the clock with each event. A failed mark is due again some events later. */
const eventMs = 250;

export async function runSimulation({
  events,
  seed,
  printLine = () => undefined,
}: SimulationOptions): Promise<SimulationReport> {
  const elapsedMs = stopwatch();
  await using environment = await createEnvironment(seed);
  const monitor = new AccessMonitor(environment);
  await createFirstCustomers(environment);
  const counts: Record<string, number> = {};
  const seconds = () => Math.round(elapsedMs() / secondMs);
  let [done, refused, rests] = [0, 0, 0];
  while (done < events && monitor.violations.length < violationMax) {
    for (const [name, event] of shuffleEvents(environment).slice(0, events - done)) {
      done += 1;
      counts[name] = (counts[name] ?? 0) + 1;
      if (!(await runEvent(environment, monitor, event))) refused += 1;
      await advanceClock(environment, eventMs);
      await monitor.check(`event ${done} (${name})`);
      if (done % 100 === 0) recordNames(environment);
      if (done % checkEvery === 0 || done === events) {
        rests += 1;
        await checkSynced(environment, monitor, done);
      }
      if (done % reportEvery === 0) {
        printLine(`${done} of ${events} events, ${monitor.judged} checks, ${seconds()} s`);
      }
    }
  }
  // The clock moved by days during the calls, so subscriptions that ended meanwhile expire. They
  // may be more than the blast guard permits.
  const { database, replica } = environment;
  await runWorker(database, 'fast-expiry-cleanup', { replica, confirmed: true });
  const { checks } = await runAudit(database.db);
  const broken = checks.filter((each) => each.violations > 0n);
  const wrong = [...monitor.violations, ...broken.map(({ id }) => `the audit: ${id}`)];
  const { judged, longest, seen } = monitor;
  const [strangers, quarantined] = [seen.strangers.size, seen.aside.size];
  return {
    ...{ events: done, refused, counts, rests, judged, longest, strangers, quarantined },
    ...{ seconds: seconds(), wrong },
  };
}

/** Records the current users, for a node that starts with old users later. */
function recordNames({ nodes }: Environment): void {
  for (const simulated of nodes) {
    if (!simulated.node.isRunning()) continue;
    simulated.formerNames = [
      ...new Set(simulated.tags.flatMap((tag) => simulated.node.listUserNames(tag))),
    ];
  }
}

/** Shuffled events: each kind with its frequency, in any order. */
function shuffleEvents({ random }: Environment): (readonly [string, SimulationEvent])[] {
  const cards = Object.entries(weightedEvents).flatMap(([name, [count, event]]) =>
    Array.from({ length: count }, () => [name, event] as const),
  );
  for (let last = cards.length - 1; last > 0; last -= 1) {
    const other = drawInteger(random, last + 1);
    [cards[last], cards[other]] = [cards[other], cards[last]] as [
      (typeof cards)[0],
      (typeof cards)[0],
    ];
  }
  return cards;
}

/** @returns false if the command was refused, which is an answer too */
async function runEvent(
  environment: Environment,
  monitor: AccessMonitor,
  event: SimulationEvent,
): Promise<boolean> {
  try {
    await event(environment, monitor);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'permanent') return false;
    throw error;
  }
}
