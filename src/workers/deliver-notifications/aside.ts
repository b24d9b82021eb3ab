import { readClock } from '../../db/clock.ts';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { isOfTheItem, isolatedMax, putAside } from '../quarantine.ts';
import { type Claim, claim, type Desk, worker } from './claim.ts';
import { asideName, type DueNotice } from './store.ts';
import type { Tally } from './tally.ts';

// A notice whose judgement or marking fails by itself goes to quarantine, so that it holds up nobody
// behind it. Finding leaves it out until it is tried again; whoever claims it then takes it out.

/** @throws what is not this notice's: a transient fault, or more failures than one can believe */
export async function claimOrPutAside(desk: Desk, due: DueNotice, tally: Tally): Promise<Claim> {
  const count = (tx: Tx, made: Claim) => tally.claimed(tx, made);
  try {
    return await claim(desk, due, count);
  } catch (error) {
    const fault = faultOf(error);
    if (!isOfTheItem(fault) || tally.newlyAside >= isolatedMax) throw error;
    const bad = { item: asideName(due.id), reason: fault.code, sentence: fault.message };
    const made: Claim = { is: 'aside', fault };
    tally.newlyAside += await inTransaction(desk.db, async (tx) => {
      const isNew = await putAside(tx, worker, [bad], await readClock(tx));
      await count(tx, made);
      return isNew;
    });
    return made;
  }
}

interface ClaimLog {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says of a claim what somebody who reads the log may have to know. */
export function tell(log: ClaimLog, { id }: DueNotice, claimed: Claim): void {
  const about = { worker, item: String(id) };
  if (claimed.is === 'aside') {
    const { fault: err } = claimed;
    log.error({ ...about, code: err.code, err }, 'notice put into quarantine');
  } else if (claimed.is === 'suppressed') {
    log.debug({ ...about, reason: claimed.reason }, 'notice suppressed');
  }
}
