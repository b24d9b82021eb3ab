import { useText } from '../shell/language.tsx';
import type { ListState } from './list-state.ts';

interface PagerProps {
  readonly list: ListState;
  readonly next: string | null;
  /** The number of rows of all pages, if the list counts them. */
  readonly count?: number | null;
  readonly isEstimated?: boolean | null;
}

/** The links to the first and the next page, and the number of rows. Back is the browser's. */
export function Pager({ list, next, count = null, isEstimated = false }: PagerProps) {
  const t = useText();
  return (
    <div class="pager">
      <button type="button" disabled={list.isFirstPage} onClick={list.openFirst}>
        {t('first-page')}
      </button>
      <button type="button" disabled={next === null} onClick={() => next && list.openNext(next)}>
        {t('next-page')}
      </button>
      {count !== null && (
        <span>{t(isEstimated === true ? 'rows-estimated' : 'rows', { count })}</span>
      )}
    </div>
  );
}
