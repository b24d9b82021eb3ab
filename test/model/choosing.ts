import type { Customer } from './books-of.ts';
import type { Told, Which } from './commands.ts';

export type Chosen = { readonly place: number } | Extract<Told, { refused: unknown }>;

export function refused(...reasons: string[]): Extract<Told, { refused: unknown }> {
  return { refused: reasons };
}

/** The one that is meant: the named one, else the only one, else the only active one. */
export function choose(
  customer: Customer,
  which: Which,
  among: (place: number) => boolean = () => true,
): Chosen {
  if (typeof which === 'number') {
    return which < customer.subs.length ? { place: which } : refused('no_subscription');
  }
  const places = customer.subs.map((_, place) => place).filter(among);
  if (places.length === 0) return refused('no_subscription');
  const active = places.filter((place) => customer.subs[place]?.state === 'active');
  const meant = active.length > 0 ? active : places;
  return meant.length === 1 ? { place: meant[0] as number } : refused('which_subscription');
}
