import { useSyncExternalStore } from 'preact/compat';

// Short messages after an action. They cover no row: the place is below the page.

interface Toast {
  readonly id: number;
  readonly text: string;
}

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function setToasts(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

const shownMs = 8_000;

export function showToast(text: string): void {
  lastId += 1;
  const id = lastId;
  setToasts([...toasts, { id, text }]);
  setTimeout(() => setToasts(toasts.filter((toast) => toast.id !== id)), shownMs);
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe as never, () => toasts);
  return (
    <div class="toasts" role="status">
      {shown.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  );
}
