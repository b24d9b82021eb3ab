import { useText } from '../shell/language.tsx';
import type { SteadyRows } from './steady-rows.ts';

/** Shows the rows that wait. Its place is reserved, so the button moves no row. */
export function NewsButton({ hasNews, show }: Pick<SteadyRows<unknown>, 'hasNews' | 'show'>) {
  const t = useText();
  return (
    <p class="news">
      {hasNews && (
        <button type="button" onClick={show}>
          {t('show-changes')}
        </button>
      )}
    </p>
  );
}
