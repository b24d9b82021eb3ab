import type { ChangeAnswer } from '../../../api/client.ts';
import type { Difference } from '../../../parts/action-dialog.tsx';
import { usePlans } from '../../../parts/plans.ts';
import { Money, Time } from '../../../parts/values.tsx';
import { useText } from '../../../shell/language.tsx';
import { useReasonText } from '../reasons.ts';

// The rows that are different before and after a change: the customer, then each subscription.

export type CustomerState = ChangeAnswer<'/v1/customers/{telegram_id}/top-ups/preview'>['before'];
type SubscriptionState = CustomerState['subscriptions'][number];
type Charge = CustomerState['next_charge'];

/** Subscriptions of one dialog. */
const shownMax = 5;

const readIds = (states: readonly CustomerState[]): number[] => [
  ...new Set(states.flatMap(({ subscriptions }) => subscriptions.map(({ id }) => id))),
];

/** The number of changed subscriptions that the rows leave out. */
export const countHidden = (before: CustomerState, after: CustomerState): number =>
  Math.max(0, readIds([before, after]).length - shownMax);

export function useDifferences(): (before: CustomerState, after: CustomerState) => Difference[] {
  const t = useText();
  const { titleOf } = usePlans();
  /** @param hasCharge false: the charge of the customer is the one of this subscription */
  const toSubscriptionRows = (
    id: number,
    states: readonly (SubscriptionState | undefined)[],
    hasCharge: boolean,
  ) => {
    const name = t('customer-subscription', { id: String(id) });
    const row = (label: string, show: (state: SubscriptionState) => Shown) =>
      toRow(`${name}: ${label}`, states, show);
    return [
      row(t('customer-state'), ({ state }) => [state, t(`state-${state}`)]),
      row(t('customer-plan'), ({ plan, period_days: days }) => [
        `${plan} ${days}`,
        `${titleOf(plan)}, ${t('days', { count: days })}`,
      ]),
      row(t('customer-next-plan'), ({ next_plan: plan, next_period_days: days }) => [
        `${plan} ${days}`,
        plan === null || days === null ? '–' : `${titleOf(plan)}, ${t('days', { count: days })}`,
      ]),
      row(t('customer-ends'), ({ expires_at: at }) => [at, <Time key="end" at={at} />]),
      row(t('customer-auto-renew'), ({ auto_renew: isOn }) => [
        String(isOn),
        t(isOn ? 'yes' : 'no'),
      ]),
      hasCharge
        ? row(t('customer-next-charge'), ({ next_charge: charge }) => toShownCharge(charge))
        : undefined,
    ];
  };
  return (before, after) => {
    const states = [before, after];
    const row = (label: string, show: (state: CustomerState) => Shown) =>
      toRow(label, states, show);
    const ids = readIds(states);
    const { currency } = before;
    const rows = [
      row(t('customer-balance'), ({ balance }) => toShownMoney(balance, currency)),
      row(t('customer-claim'), ({ claim }) => toShownMoney(claim, currency)),
      row(t('customer-vip'), ({ vip }) => [String(vip), t(vip ? 'yes' : 'no')]),
      row(t('customer-discount-percent'), ({ discount_percent: percent }) => [
        String(percent),
        `${percent} %`,
      ]),
      row(t('customer-is-blocked'), ({ blocked_at: at }) => [
        String(at !== null),
        t(at === null ? 'no' : 'yes'),
      ]),
      row(t('customer-next-charge'), ({ next_charge }) => toShownCharge(next_charge)),
      ...ids.slice(0, shownMax).flatMap((id) =>
        toSubscriptionRows(
          id,
          states.map(({ subscriptions }) => subscriptions.find((one) => one.id === id)),
          states.some(({ next_charge }) => next_charge.subscription_id !== id),
        ),
      ),
    ];
    return rows.filter((each) => each !== undefined);
  };
}

/** A value to compare, and its content. */
type Shown = readonly [value: string, content: Difference['before']];

/** undefined: both states have the same value. */
function toRow<State>(
  label: string,
  [before, after]: readonly (State | undefined)[],
  show: (state: State) => Shown,
): Difference | undefined {
  const [old, oldContent] = before === undefined ? ['', '–'] : show(before);
  const [present, content] = after === undefined ? ['', '–'] : show(after);
  return old === present ? undefined : { label, before: oldContent, after: content };
}

const toShownMoney = (amount: string, currency: string): Shown => [
  amount,
  <Money key="amount" amount={amount} currency={currency} />,
];

/** A charge that is due has the time of the read, so its code stands for the time. */
function toShownCharge({ amount, missing, at, reason, currency }: Charge): Shown {
  const time = reason.code === 'due' || reason.code === 'revival_due' ? null : at;
  return [
    JSON.stringify([amount, missing, time, reason.code, reason.params]),
    <ShownCharge
      key="charge"
      charge={{ subscription_id: null, amount, missing, at, reason, currency }}
    />,
  ];
}

function ShownCharge({ charge }: { readonly charge: Charge }) {
  const t = useText();
  const describe = useReasonText();
  const { amount, at, currency, reason } = charge;
  return (
    <>
      {amount === null ? t('customer-no-charge') : <Money amount={amount} currency={currency} />}{' '}
      {at !== null && <Time at={at} />} <small class="reason">{describe('charge', reason)}</small>
    </>
  );
}
