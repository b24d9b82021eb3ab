import { unreachable } from '../../kernel/faults.ts';
import { isoTime, minuteMs } from '../../kernel/instant.ts';
import { moneyText } from '../../kernel/money.ts';
import { releaseQuarantined } from '../../runs/quarantine.ts';
import { type DecidedItem, decideInOrder } from '../../runs/shared-balance.ts';
import {
  countHeldCharges,
  countLateCharges,
  guardCharges,
  type HeldCharge,
} from '../../runs/spend-guard.ts';
import type { SubscriptionPreview, SubscriptionWorker } from '../../runs/worker.ts';
import { type ExpiringSubscription, expireSubscriptions } from '../../subscription/batch/expire.ts';
import { type Renewal, renewSubscriptions, toRenewal } from '../../subscription/batch/renew.ts';
import {
  decideExpiry,
  type ExpiryDecision,
  isTermsChangeDue,
} from '../../subscription/rules/expiry.ts';
import { holdReasonTexts } from '../../subscription/rules/spend-limit.ts';
import {
  readRenewalFacts,
  type SubscriptionRenewalFacts,
} from '../../subscription/store/renewal-facts.ts';
import { changeTerms } from '../../subscription/store/terms-change.ts';
import { guardEnds, type HeldEnd } from './end-guard.ts';
import { findEnded, findTermsChanges, readNextChange, readQuarantinedRenewals } from './store.ts';

// fast-expiry-cleanup expires subscriptions past their end, or renews them from the balance.
//
// `subscription/rules/expiry.ts` decides. The worker also puts the terms of a period that has begun
// into force (`subscription/rules/terms.ts`). It writes marks, and the keepers apply them to the
// nodes.

interface EndedFacts extends SubscriptionRenewalFacts {
  readonly isQuarantined: boolean;
}

type Decision = ExpiryDecision | HeldCharge | HeldEnd;
type Outcome = DecidedItem<EndedFacts, Decision>;

export const fastExpiryCleanup: SubscriptionWorker<EndedFacts, Outcome> = {
  name: 'fast-expiry-cleanup',
  everyMs: minuteMs,
  passes: [findTermsChanges, findEnded],
  nextDue: readNextChange,

  async read(tx, items, batch) {
    const facts = await readRenewalFacts(tx, items, batch);
    const held = await readQuarantinedRenewals(
      tx,
      facts.map((row) => row.subscriptionId),
    );
    return facts.map((row) => ({
      ...row,
      isQuarantined: held.has(row.subscriptionId.toString()),
    }));
  },

  decide(facts, batch, reserved) {
    return decideInOrder(facts, reserved, (row) => decideExpiry(row, batch.now, batch.settings));
  },

  // A confirmation of this worker confirms ends. Charges are confirmed with auto-renewal.
  async guard(tx, outcomes, batch) {
    return guardEnds(
      tx,
      await guardCharges<EndedFacts, Decision>(tx, outcomes, batch, 'fast-expiry-cleanup'),
      batch,
    );
  },

  async write(tx, outcomes, batch, actor) {
    const renewals: Renewal[] = [];
    const endings: ExpiringSubscription[] = [];
    let confirmed = 0;
    const held = { ends: 0, charges: 0, inQuarantine: 0, leftToAnother: 0 };
    for (const { facts, decision, balanceMinor, isConfirmed } of outcomes) {
      switch (decision.do) {
        case 'renew':
          renewals.push(toRenewal(facts, decision, balanceMinor, batch.now));
          break;
        case 'end':
          endings.push({ ...facts, isShort: isShortEnd(facts) });
          if (batch.confirmed || isConfirmed) confirmed += 1;
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
    const changing = outcomes
      .filter(({ facts }) => isTermsChangeDue(facts, batch.now))
      .map(({ facts }) => facts.subscriptionId);
    await changeTerms(tx, changing, actor, batch.now);
    await renewSubscriptions(tx, renewals, actor, batch.now, batch.settings);
    await expireSubscriptions(tx, endings, actor, batch.now);
    const changed = new Set(
      [...renewals, ...endings].map((row) => row.subscriptionId).concat(changing),
    );
    await releaseQuarantined(tx, fastExpiryCleanup.name, [...changed].map(String));
    return {
      examined: outcomes.length,
      changed: changed.size,
      quarantined: [],
      counts: {
        ended: endings.length,
        ...(confirmed > 0 ? { confirmed } : {}),
        renewed: renewals.length,
        ...(changing.length === 0 ? {} : { terms_changed: changing.length }),
        held: held.ends,
        ...(held.charges > 0 ? { held_charges: held.charges } : {}),
        ...countHeldCharges(outcomes),
        ...countLateCharges(outcomes, batch, false),
        ...(held.leftToAnother > 0 ? { left_to_another: held.leftToAnother } : {}),
        in_quarantine: held.inQuarantine,
      },
    };
  },

  describe: ({ facts, decision, balanceMinor }) => describe(facts, decision, balanceMinor),
};

/** A renewal with a price that ends all the same lacked the balance (expiry, rule 1). */
const isShortEnd = ({ kind, autoRenew, isBlocked, listMinor }: EndedFacts): boolean =>
  kind === 'paid' && autoRenew && !isBlocked && listMinor !== null;

function describe(
  facts: EndedFacts,
  decision: Decision,
  balanceMinor: bigint,
): SubscriptionPreview {
  const { telegramId, subscriptionId, currency } = facts;
  const base = { telegramId, subscriptionId, outcome: decision.do, currency, amountMinor: 0n };
  const label = `${facts.kind} ${facts.plan}`;
  switch (decision.do) {
    case 'renew': {
      const { chargeMinor } = decision;
      const left = moneyText(balanceMinor - chargeMinor, currency);
      return {
        ...base,
        amountMinor: chargeMinor,
        sentence: `${label} would be renewed for ${moneyText(chargeMinor, currency)} until ${isoTime(decision.endsAt)}; ${left} left`,
      };
    }
    case 'end':
      return {
        ...base,
        sentence: `${label} would expire: it ended at ${isoTime(facts.expiresAt)}`,
      };
    case 'hold':
      return {
        ...base,
        sentence: `${label} would stay until ${isoTime(decision.until)}: it is in quarantine`,
      };
    case 'hold-charge':
      return {
        ...base,
        amountMinor: decision.chargeMinor,
        sentence: `${label} would stay active: the guard of auto-renewal holds its charge of ${moneyText(decision.chargeMinor, currency)} because ${holdReasonTexts[decision.reason]}`,
      };
    case 'hold-end':
      return {
        ...base,
        sentence: `${label} would wait for --confirm: it ended at ${isoTime(facts.expiresAt)}, and the guard holds this end`,
      };
    case 'change-terms':
      return {
        ...base,
        sentence: `${label} would change: the terms of the period that has begun come into force`,
      };
    case 'nothing':
      return { ...base, sentence: `${label} has not ended` };
  }
}
