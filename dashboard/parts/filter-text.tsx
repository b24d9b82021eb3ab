import { useText } from '../shell/language.tsx';
import { usePlans } from './plans.ts';
import { filterNames } from './subscription-filters.tsx';
import { Time } from './values.tsx';

/** The conditions of a filter as words: "State: active, Plan: Basic". */
export function Filter({ filter }: { readonly filter: Readonly<Record<string, string>> }) {
  const t = useText();
  const plans = usePlans();
  const describe = (name: string, value: string) => {
    if (name === 'ends_before' || name === 'ends_after') return <Time at={value} />;
    if (name === 'plan') return plans.titleOf(value);
    if (name === 'state' || name === 'kind') return t(`${name}-${value}`);
    return value === 'yes' || value === 'no' ? t(value) : value;
  };
  return (
    <span class="filter-text">
      {Object.entries(filter)
        .toSorted(([one], [other]) => orderOf(one) - orderOf(other))
        .map(([name, value]) => (
          <span key={name} class="badge">
            {t(`filter-${name}`)}: {describe(name, value)}
          </span>
        ))}
    </span>
  );
}

const orderOf = (name: string): number => (filterNames as readonly string[]).indexOf(name);
