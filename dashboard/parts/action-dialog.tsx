import { useMutation } from '@tanstack/react-query';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ApiProblem } from '../api/problem.ts';
import { useText } from '../shell/language.tsx';
import { useProblemText } from './states.tsx';
import { showToast } from './toasts.tsx';

// A dialog that asks for a confirmation before an action. It shows the difference that the action
// makes. One dialog is one decision, so its repetitions have one idempotency key.

interface ActionDialogProps {
  readonly title: string;
  /** The text of the button that acts. */
  readonly confirm: string;
  readonly isDangerous?: boolean;
  /** False: a field is missing. */
  readonly isReady?: boolean;
  /** The message after success. */
  readonly done: string;
  /** Fields, and the difference. */
  readonly children?: ComponentChildren;
  /** @throws ApiProblem */
  act(key: string): Promise<unknown>;
  onClose(): void;
}

export function ActionDialog(props: ActionDialogProps) {
  const t = useText();
  const describe = useProblemText();
  const titleId = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [key] = useState(() => crypto.randomUUID());
  const action = useMutation<unknown, Error, void>({
    mutationFn: () => props.act(key),
    onSuccess: () => {
      showToast(props.done);
      props.onClose();
    },
  });
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => returnFocus(opener);
  }, []);
  const { error } = action;
  return (
    <dialog ref={dialog} aria-labelledby={titleId} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.mutate();
        }}
      >
        <h2 id={titleId}>{props.title}</h2>
        {props.children}
        {error !== null && (
          <p role="alert" class="alert">
            {error instanceof ApiProblem ? describe(error) : error.message}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={props.onClose}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            class={props.isDangerous === true ? 'danger' : 'primary'}
            disabled={action.isPending || props.isReady === false}
          >
            {action.isPending ? t('working') : props.confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** After the action its button may be gone. Then the focus is in the page, and not at its start. */
function returnFocus(opener: Element | null): void {
  const target = opener?.isConnected === true ? opener : document.querySelector('main');
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
}

/** A value before and after an action. */
export interface Difference {
  readonly label: string;
  readonly before: ComponentChildren;
  readonly after: ComponentChildren;
}

export function DifferenceTable({ rows }: { readonly rows: readonly Difference[] }) {
  const t = useText();
  return (
    <table class="difference">
      <thead>
        <tr>
          <td />
          <th scope="col">{t('now')}</th>
          <th scope="col">{t('after')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ label, before, after }) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td>{before}</td>
            <td>{after}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
