import type { FunctionComponent } from 'preact';
import { useState } from 'preact/hooks';
import { useText } from '../../../shell/language.tsx';
import { type Role, useCan } from '../../../shell/session.tsx';
import type { Customer } from '../page.tsx';
import { AdjustDialog } from './adjust.tsx';
import { BlockDialog, UnblockDialog } from './block.tsx';
import { DiscountDialog } from './discount.tsx';
import { TopUpDialog } from './top-up.tsx';

// The actions on a customer. An action that the state or the role excludes is not shown.

export interface CustomerDialogProps {
  readonly customer: Customer;
  onClose(): void;
}

interface Action {
  readonly name: string;
  /** Actions that replace each other share a button, which keeps the focus. */
  readonly button?: string;
  readonly scope: Role;
  readonly dialog: FunctionComponent<CustomerDialogProps>;
  isPossible?(customer: Customer): boolean;
}

const actions: readonly Action[] = [
  { name: 'top-up', scope: 'sell', dialog: TopUpDialog },
  { name: 'discount-set', scope: 'admin', dialog: DiscountDialog },
  { name: 'adjust', scope: 'admin', dialog: AdjustDialog },
  {
    name: 'block',
    button: 'block',
    scope: 'admin',
    dialog: BlockDialog,
    isPossible: ({ blocked_at: at }) => at === null,
  },
  {
    name: 'unblock',
    button: 'block',
    scope: 'admin',
    dialog: UnblockDialog,
    isPossible: ({ blocked_at: at }) => at !== null,
  },
];

export function CustomerActions({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const can = useCan();
  const [name, setName] = useState<string>();
  const Dialog = actions.find((action) => action.name === name)?.dialog;
  const possible = actions.filter(
    ({ scope, isPossible }) => can(scope) && (isPossible?.(customer) ?? true),
  );
  if (possible.length === 0) return null;
  return (
    <div class="actions">
      {possible.map((action) => (
        <button
          key={action.button ?? action.name}
          type="button"
          onClick={() => setName(action.name)}
        >
          {t(`customer-${action.name}`)}
        </button>
      ))}
      {Dialog !== undefined && <Dialog customer={customer} onClose={() => setName(undefined)} />}
    </div>
  );
}
