import type { Customer } from '../../support/customer-model.ts';
import type { CommandAnswer, SubscriptionChoice } from './commands.ts';

export type ChosenSubscription =
  | { readonly place: number }
  | Extract<CommandAnswer, { refused: unknown }>;

export function refused(...reasons: string[]): Extract<CommandAnswer, { refused: unknown }> {
  return { refused: reasons };
}

/** The chosen subscription: the named one, else the only one, else the only active one. */
export function chooseSubscription(
  customer: Customer,
  choice: SubscriptionChoice,
  isCandidate: (place: number) => boolean = () => true,
): ChosenSubscription {
  if (typeof choice === 'number') {
    return choice < customer.subs.length ? { place: choice } : refused('no_subscription');
  }
  const places = customer.subs.map((_, place) => place).filter(isCandidate);
  if (places.length === 0) return refused('no_subscription');
  const active = places.filter((place) => customer.subs[place]?.state === 'active');
  const candidates = active.length > 0 ? active : places;
  return candidates.length === 1
    ? { place: candidates[0] as number }
    : refused('which_subscription');
}
