import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { type Ending, end } from '../../subscription/ending.ts';
import { changeIsDue, decideEnding, type EndingDecision } from '../../subscription/expiry.ts';
import { type Facts, readFacts } from '../../subscription/renewal-facts.ts';
import { type Renewal, renew, renewalOf } from '../../subscription/renewing.ts';
import { changeTerms } from '../../subscription/terms-change.ts';
import { release } from '../quarantine.ts';
import { guardCharges, type HeldCharge, isLate, lateCharges } from '../spend-guard.ts';
import { type Decided, decideInTurn } from '../spending.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../worker.ts';
import { guardEnds, type HeldEnd } from './end-guard.ts';
import { findChanging, findEnded, inQuarantine, nextMoment } from './store.ts';

// Puts the terms of a period into force that has begun (`subscription/terms.ts`).
// Ends what has expired, and renews what auto-renewal can still pay. Which: `subscription/expiry.ts`.
// The nodes hear of it by the marks that are written here; their keepers see to it.

interface EndedFacts extends Facts {
  readonly isQuarantined: boolean;
}

type Decision = EndingDecision | HeldCharge | HeldEnd;
type Outcome = Decided<EndedFacts, Decision>;

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
      isQuarantined: held.has(row.subscriptionId.toString()),
    }));
  },

  decide(facts, moment, spent) {
    return decideInTurn(facts, spent, (row) => decideEnding(row, moment.now, moment.settings));
  },

  // `--confirm` of this worker confirms ends. Charges are confirmed with auto-renewal.
  async guard(tx, outcomes, moment) {
    return guardEnds(
      tx,
      await guardCharges<EndedFacts, Decision>(tx, outcomes, moment, false),
      moment,
    );
  },

  async write(tx, outcomes, moment, actor) {
    const renewals: Renewal[] = [];
    const endings: Ending[] = [];
    const held = { ends: 0, charges: 0, inQuarantine: 0, leftToAnother: 0 };
    for (const { facts, decision, balanceMinor } of outcomes) {
      switch (decision.do) {
        case 'renew':
          renewals.push(renewalOf(facts, decision, balanceMinor, moment.now));
          break;
        case 'end':
          endings.push(facts);
          break;
        case 'hold':
          held.inQuarantine += 1;
          break;
        case 'hold-charge':
          held.charges += 1;
          break;
        case 'hold-end':
          held[decision.isBusy ? 'leftToAnother' : 'ends'] += 1;
          break;
        case 'change-terms':
        case 'nothing':
          break;
        default:
          unreachable(decision);
      }
    }
    const late = outcomes.filter((one) => isLate(one, moment)).length;
    const changing = outcomes
      .filter(({ facts }) => changeIsDue(facts, moment.now))
      .map(({ facts }) => facts.subscriptionId);
    await changeTerms(tx, changing, actor, moment.now);
    await renew(tx, renewals, actor, moment.now, moment.settings);
    await end(tx, endings, actor, moment.now);
    const changed = new Set(
      [...renewals, ...endings].map((row) => row.subscriptionId).concat(changing),
    );
    await release(tx, fastExpiryCleanup.name, [...changed].map(String));
    return {
      examined: outcomes.length,
      changed: changed.size,
      isolated: [],
      counts: {
        ended: endings.length,
        ...(moment.confirmed ? { confirmed: endings.length } : {}),
        renewed: renewals.length,
        ...(changing.length === 0 ? {} : { terms_changed: changing.length }),
        held: held.ends,
        ...(held.charges > 0 ? { held_charges: held.charges } : {}),
        ...(late > 0 ? { [lateCharges]: late } : {}),
        ...(held.leftToAnother > 0 ? { left_to_another: held.leftToAnother } : {}),
        in_quarantine: held.inQuarantine,
      },
    };
  },

  describe: ({ facts, decision, balanceMinor }) => describe(facts, decision, balanceMinor),
};

function describe(
  facts: EndedFacts,
  decision: Decision,
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
        sentence: `${what} is in quarantine: stays until ${isoTime(decision.until)}`,
      };
    case 'hold-charge':
      return {
        ...of,
        amountMinor: decision.chargeMinor,
        sentence: `${what} would be renewed for ${moneyText(decision.chargeMinor, currency)}: the guard of auto-renewal holds this charge, and the subscription stays active`,
      };
    case 'hold-end':
      return {
        ...of,
        sentence: `${what} ended ${isoTime(facts.expiresAt)}: the guard holds this end; --confirm releases it`,
      };
    case 'change-terms':
      return { ...of, sentence: `${what}: the terms of the period that has begun come into force` };
    case 'nothing':
      return { ...of, sentence: `${what} has not ended` };
  }
}
