import type { FunctionComponent } from 'preact';
import { useState } from 'preact/hooks';
import { useText } from '../../../shell/language.tsx';
import { type Role, useCan } from '../../../shell/session.tsx';
import type { Customer } from '../page.tsx';
import type { Subscription } from '../subscriptions.tsx';
import { AutoRenewDialog } from './auto-renew.tsx';
import { ChangePlanDialog } from './change-plan.tsx';
import { GrantDialog } from './grant.tsx';
import { ReissueDialog } from './reissue.tsx';
import { RevokeDialog } from './revoke.tsx';

// The actions on one subscription. An action that the state or the role excludes is not shown.

export interface SubscriptionDialogProps {
  readonly customer: Customer;
  readonly subscription: Subscription;
  onClose(): void;
}

interface Action {
  readonly name: string;
  /** Actions that replace each other share a button, which keeps the focus. */
  readonly button?: string;
  readonly scope: Role;
  readonly dialog: FunctionComponent<SubscriptionDialogProps>;
  isPossible(subscription: Subscription): boolean;
}

const actions: readonly Action[] = [
  {
    name: 'change-plan',
    scope: 'sell',
    dialog: ChangePlanDialog,
    isPossible: ({ state, kind }) => state === 'active' && kind === 'paid',
  },
  {
    name: 'auto-renew-off',
    button: 'auto-renew',
    scope: 'sell',
    dialog: AutoRenewDialog,
    isPossible: (one) => isRenewable(one) && one.auto_renew,
  },
  {
    name: 'auto-renew-on',
    button: 'auto-renew',
    scope: 'sell',
    dialog: AutoRenewDialog,
    isPossible: (one) => isRenewable(one) && !one.auto_renew,
  },
  {
    name: 'reissue',
    scope: 'sell',
    dialog: ReissueDialog,
    isPossible: ({ state }) => state === 'active',
  },
  {
    name: 'grant',
    scope: 'admin',
    dialog: GrantDialog,
    isPossible: ({ state }) => state !== 'revoked',
  },
  {
    name: 'revoke',
    scope: 'admin',
    dialog: RevokeDialog,
    isPossible: ({ state }) => state === 'active',
  },
];

const isRenewable = ({ kind, state }: Subscription): boolean =>
  kind === 'paid' && state !== 'revoked';

interface SubscriptionActionsProps {
  readonly customer: Customer;
  readonly subscription: Subscription;
}

export function SubscriptionActions({ customer, subscription }: SubscriptionActionsProps) {
  const t = useText();
  const can = useCan();
  const [name, setName] = useState<string>();
  const id = String(subscription.id);
  const open = actions.find((action) => action.name === name);
  const Dialog = open?.dialog;
  return (
    <div class="actions">
      {actions
        .filter(({ scope, isPossible }) => can(scope) && isPossible(subscription))
        .map((action) => (
          <button
            key={action.button ?? action.name}
            type="button"
            aria-label={`${t(`customer-${action.name}`)}: ${t('customer-subscription', { id })}`}
            onClick={() => setName(action.name)}
          >
            {t(`customer-${action.name}`)}
          </button>
        ))}
      {Dialog !== undefined && (
        <Dialog
          customer={customer}
          subscription={subscription}
          onClose={() => setName(undefined)}
        />
      )}
    </div>
  );
}
