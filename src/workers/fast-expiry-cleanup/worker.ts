import { unreachable } from '../../kernel/faults.ts';
import { type Instant, isoTime, minuteMs } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { type Ending, end } from '../../subscription/ending.ts';
import { changeIsDue, decideEnding, type EndingDecision } from '../../subscription/expiry.ts';
import { type Facts, readFacts } from '../../subscription/renewal-facts.ts';
import { type Renewal, renew, renewalOf } from '../../subscription/renewing.ts';
import { changeTerms } from '../../subscription/terms-change.ts';
import { release } from '../quarantine.ts';
import { type Decided, decideInTurn } from '../spending.ts';
import type { Moment, SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { allowance, cannotHold } from './rule.ts';
import {
  countActive,
  endedInTheLastHour,
  findChanging,
  findEnded,
  inQuarantine,
  nextMoment,
  takeGuard,
} from './store.ts';

// Puts the terms of a period into force that has begun (`subscription/terms.ts`).
// Ends what has expired, and renews what auto-renewal can still pay. Which: `subscription/expiry.ts`.
// The nodes hear of it by the marks that are written here; their keepers see to it.

interface EndedFacts extends Facts {
  readonly quarantinedUntil: Instant | null;
}

type Outcome = Decided<EndedFacts, EndingDecision>;

export const fastExpiryCleanup: SubscriptionWorker<EndedFacts, Outcome> = {
  name: 'fast-expiry-cleanup',
  everyMs: minuteMs,
  passes: [findChanging, findEnded],
  nextDue: nextMoment,

  async read(tx, items, moment) {
    const facts = await readFacts(tx, items, moment);
    const held = await inQuarantine(
      tx,
      facts.map((row) => row.subscriptionId),
    );
    return facts.map((row) => ({
      ...row,
      quarantinedUntil: held.get(row.subscriptionId.toString()) ?? null,
    }));
  },

  decide(facts, moment, spent) {
    return decideInTurn(facts, spent, (row) => decideEnding(row, moment.now, moment.settings));
  },

  async write(tx, outcomes, moment, actor) {
    const renewals: Renewal[] = [];
    const endings: Ending[] = [];
    let inTrouble = 0;
    for (const { facts, decision, balanceMinor } of outcomes) {
      switch (decision.do) {
        case 'renew':
          renewals.push(renewalOf(facts, decision, balanceMinor, moment.now));
          break;
        case 'end':
          endings.push(facts);
          break;
        case 'hold':
          inTrouble += 1;
          break;
        case 'change-terms':
        case 'nothing':
          break;
        default:
          unreachable(decision);
      }
    }
    const { now, confirmed } = moment;
    const changing = outcomes
      .filter(({ facts }) => changeIsDue(facts, now))
      .map(({ facts }) => facts.subscriptionId);
    await changeTerms(tx, changing, actor, now);
    await renew(tx, renewals, actor, now, moment.settings);
    const admitted = confirmed ? endings.length : await admit(tx, endings.length, moment);
    const allowed = endings.slice(0, admitted === 'busy' ? 0 : admitted);
    await end(tx, allowed, actor, now);
    const left = endings.length - allowed.length;
    const held = admitted === 'busy' ? 0 : left;
    await release(
      tx,
      fastExpiryCleanup.name,
      [...changing, ...[...renewals, ...allowed].map((row) => row.subscriptionId)].map(String),
    );
    return {
      examined: outcomes.length,
      changed: new Set([...changing, ...[...renewals, ...allowed].map((row) => row.subscriptionId)])
        .size,
      isolated: [],
      counts: {
        ended: allowed.length,
        renewed: renewals.length,
        ...(changing.length === 0 ? {} : { terms_changed: changing.length }),
        held,
        ...(admitted === 'busy' ? { left_to_another: left } : {}),
        in_quarantine: inTrouble,
        ...(confirmed ? { confirmed: allowed.length } : {}),
      },
    };
  },

  describe: ({ facts, decision, balanceMinor }) => describe(facts, decision, balanceMinor),
};

type Tx = Parameters<typeof takeGuard>[0];

/**
 * How many of the wanted may end now; the guard's count is ours until the transaction ends. `busy`:
 * another replica is at a batch; these wait for the next run, and nobody need hear of it.
 */
async function admit(
  tx: Tx,
  wanted: number,
  { now, heldBefore, counted }: Pick<Moment, 'now' | 'heldBefore' | 'counted'>,
): Promise<number | 'busy'> {
  if (wanted === 0 || heldBefore) return 0;
  if (!(await takeGuard(tx))) return 'busy';
  const ended = await endedInTheLastHour(tx, now);
  if (cannotHold(wanted, ended)) return wanted;
  // Who was active when the hour began. To count a million of them takes as long as half a batch:
  // once a run, which doesn't last long enough to change the answer.
  const before = counted.get('active') ?? (await countActive(tx)) + ended;
  counted.set('active', before);
  return allowance(before - ended, ended);
}

function describe(
  facts: EndedFacts,
  decision: EndingDecision,
  balanceMinor: bigint,
): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const of = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const what = `${facts.kind} ${facts.plan}`;
  switch (decision.do) {
    case 'renew': {
      const { chargeMinor } = decision;
      const left = moneyText(balanceMinor - chargeMinor, currency);
      return {
        ...of,
        amountMinor: chargeMinor,
        sentence: `${what} renewed for ${moneyText(chargeMinor, currency)} until ${isoTime(decision.endsAt)}; ${left} left`,
      };
    }
    case 'end':
      return { ...of, sentence: `${what} ended ${isoTime(facts.expiresAt)}: its access goes` };
    case 'hold':
      return {
        ...of,
        sentence: `${what} is in quarantine: stays until ${decision.until === null ? 'auto-renewal has tried it again' : isoTime(decision.until)}`,
      };
    case 'change-terms':
      return { ...of, sentence: `${what}: the terms of the period that has begun come into force` };
    case 'nothing':
      return { ...of, sentence: `${what} has not ended` };
  }
}
