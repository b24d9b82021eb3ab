import type { ComponentChildren } from 'preact';
import type { ApiProblem } from '../api/problem.ts';
import { useHasText, useText } from '../shell/language.tsx';

// The states of a part of a page without rows: loading, empty, and an error.

export function LoadingState() {
  const t = useText();
  return (
    <div class="state" role="status">
      <span class="spinner" />
      {t('loading')}
    </div>
  );
}

export function EmptyState({ text, children }: { text: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <p>{text}</p>
      {children}
    </div>
  );
}

/** The text of a problem: of this language if the code is known, else the sentence of the API. */
export function useProblemText(): (problem: ApiProblem) => string {
  const t = useText();
  const hasText = useHasText();
  return ({ code, message }) => (hasText(`error-${code}`) ? t(`error-${code}`) : message || code);
}

export function ErrorState({ problem, onRetry }: { problem: ApiProblem; onRetry?: () => void }) {
  const t = useText();
  const describe = useProblemText();
  return (
    <div class="state error" role="alert">
      <p>{describe(problem)}</p>
      {onRetry && (
        <button type="button" onClick={onRetry}>
          {t('retry')}
        </button>
      )}
    </div>
  );
}

interface Read<Data> {
  readonly data: Data | undefined;
  readonly error: ApiProblem | null;
  readonly isPlaceholderData: boolean;
  refetch(): Promise<unknown>;
}

/**
 * Shows a read: loading, an error, or the data. After a failed repetition the older data stays, and
 * a line above it states the error.
 */
export function Loaded<Data>(props: {
  readonly read: Read<Data>;
  readonly children: (data: Data) => ComponentChildren;
}) {
  const { data, error, isPlaceholderData, refetch } = props.read;
  const retry = () => void refetch();
  if (data === undefined)
    return error === null ? <LoadingState /> : <ErrorState problem={error} onRetry={retry} />;
  return (
    <div class={isPlaceholderData ? 'stale' : undefined} aria-busy={isPlaceholderData}>
      {error !== null && <ErrorState problem={error} onRetry={retry} />}
      {props.children(data)}
    </div>
  );
}
