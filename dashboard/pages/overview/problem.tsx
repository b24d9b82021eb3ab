import { useState } from 'preact/hooks';
import { Link } from 'wouter';
import { type ItemOf, useSend } from '../../api/client.ts';
import { ActionDialog } from '../../parts/action-dialog.tsx';
import { Time, useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';

export type Problem = ItemOf<'/v1/problems'>;

/** The texts of a problem: of this language if its code is known, else those of the API. */
export function useProblemTexts(problem: Problem): { sentence: string; remedy: string } {
  const t = useText();
  const hasText = useHasText();
  const { time } = useFormats();
  const { code, params, sentence, remedy } = problem;
  if (!hasText(`problem-${code}`) || !hasText(`remedy-${code}`)) return { sentence, remedy };
  const toText = (value: string | number | null) => {
    if (value === null) return '';
    return typeof value === 'string' && isTime(value) ? time(value) : value;
  };
  const values = Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, toText(value)]),
  );
  return { sentence: t(`problem-${code}`, values), remedy: t(`remedy-${code}`, values) };
}

const isTime = (text: string): boolean => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text);

/** The page with the rows behind a problem. */
function toPage({ code, params }: Problem): string | undefined {
  const { worker, reason } = params;
  if (code === 'quarantine')
    return `/quarantine?${new URLSearchParams({ worker: `${worker}`, reason: `${reason}` })}`;
  if (code.endsWith('_held')) return '/quarantine';
  if (code.startsWith('node_') || code === 'removals_late') return '/nodes';
  if (code.startsWith('worker_')) return `/runs?${new URLSearchParams({ worker: `${worker}` })}`;
  if (code === 'channel_fails' || code === 'notices_refused') return '/messages';
  return undefined;
}

/** One problem: a sentence, the remedy, and the button that applies the remedy. */
export function ProblemItem(props: { readonly problem: Problem; readonly isGone: boolean }) {
  const t = useText();
  const can = useCan();
  const { problem, isGone } = props;
  const { action, command, since } = problem;
  const { sentence, remedy } = useProblemTexts(problem);
  const [isOpen, setOpen] = useState(false);
  const page = toPage(problem);
  return (
    <li class={isGone ? 'problem gone' : 'problem'}>
      <p class="sentence">{sentence}</p>
      <p>
        {isGone && <strong>{t('overview-solved')} </strong>}
        {since !== null && (
          <>
            {t('overview-since')} <Time at={since} />.{' '}
          </>
        )}
        {remedy}
      </p>
      <p class="steps">
        {action !== null && can(action.scope) && (
          <button type="button" class="primary" disabled={isGone} onClick={() => setOpen(true)}>
            {t(`remedy-do-${action.code}`)}
          </button>
        )}
        {page !== undefined && <Link href={page}>{t('overview-show')}</Link>}
        {command !== null && <code>{command}</code>}
      </p>
      {isOpen && action !== null && (
        <RemedyDialog problem={problem} action={action} onClose={() => setOpen(false)} />
      )}
    </li>
  );
}

function RemedyDialog(props: {
  readonly problem: Problem;
  readonly action: NonNullable<Problem['action']>;
  onClose(): void;
}) {
  const t = useText();
  const { problem, action, onClose } = props;
  const { sentence, remedy } = useProblemTexts(problem);
  const send = useSend(action.method, action.path);
  const { body } = action;
  return (
    <ActionDialog
      title={t(`remedy-do-${action.code}`)}
      confirm={t(`remedy-do-${action.code}`)}
      isDangerous={action.code === 'accept_clock' || action.code === 'confirm_held'}
      done={t(`remedy-done-${action.code}`)}
      act={(key) => send.mutateAsync(body === null ? { key } : { key, body })}
      onClose={onClose}
    >
      <p>{sentence}</p>
      <p>{remedy}</p>
      <p>{t(`remedy-effect-${action.code}`)}</p>
    </ActionDialog>
  );
}
