import { useRead } from '../api/client.ts';
import { useLanguage } from '../shell/language.tsx';

// The plans on sale, by their titles.

export interface Plans {
  /** Key and title of each plan on sale. */
  readonly options: readonly (readonly [string, string])[];
  /** The groups of nodes that a plan gives access to. */
  readonly groups: readonly string[];
  /** The title of a plan; its key if it is not on sale. */
  titleOf(key: string): string;
}

export function usePlans(): Plans {
  const language = useLanguage();
  const { data } = useRead('/v1/plans', {}, { isSteady: true });
  const plans = data?.items ?? [];
  const titles = new Map(
    plans.map(({ key, title }) => [key, title[language] ?? title.en ?? key] as const),
  );
  return {
    options: [...titles],
    groups: [...new Set(plans.flatMap(({ groups }) => groups))].toSorted(),
    titleOf: (key) => titles.get(key) ?? key,
  };
}
