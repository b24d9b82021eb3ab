import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter';
import { type ItemOf, useSend } from '../api/client.ts';
import { useHasText, useText } from '../shell/language.tsx';
import { useCan } from '../shell/session.tsx';
import { ActionDialog, DifferenceTable } from './action-dialog.tsx';
import { RunPreview } from './run-preview.tsx';
import { useSteadyRows } from './steady-rows.ts';
import { Time, useFormats } from './values.tsx';

// Current problems: each with one sentence, the remedy, the list behind it, and the button that
// applies the remedy.

export type Problem = ItemOf<'/v1/problems'>;

/** Names the place of a problem: two problems of one kind differ in it. */
const placeNames = ['worker', 'subject', 'node', 'table', 'channel', 'machine', 'notice'] as const;

const keyOf = ({ code, params }: Problem): string =>
  [
    code,
    ...placeNames.map((name) => params[name] ?? ''),
    code === 'quarantine' ? params.reason : '',
  ].join('/');

/** The list behind a problem. */
function linkOf({ code, params }: Problem): string | undefined {
  const worker = String(params.worker ?? '');
  switch (code) {
    case 'quarantine':
      return `/quarantine?${new URLSearchParams({ worker, reason: String(params.reason) })}`;
    case 'charges_held':
    case 'ends_held':
    case 'removals_held':
      return '/quarantine';
    case 'node_down':
    case 'node_adds_nothing':
    case 'removals_late':
    case 'node_link_error':
      return '/nodes';
    case 'worker_fails':
    case 'worker_silent':
      return `/runs?${new URLSearchParams({ worker })}`;
    case 'channel_fails':
      return '/messages';
    case 'notices_refused':
      return `/messages?${new URLSearchParams({ kind: String(params.notice) })}`;
    default:
      return undefined;
  }
}

/** Texts in the present language if the code is known, else the sentences of the API. */
function useProblemSentences() {
  const t = useText();
  const hasText = useHasText();
  const { time } = useFormats();
  const toValues = ({ params }: Problem) =>
    Object.fromEntries(
      Object.entries(params).map(([name, value]) => {
        const isTime = typeof value === 'string' && /_(at|since)$/.test(name);
        return [name, isTime ? time(value) : (value ?? '–')];
      }),
    );
  const translate = (id: string, problem: Problem, sentence: string) =>
    hasText(id) ? t(id, toValues(problem)) : sentence;
  return {
    describe: (problem: Problem) => translate(`problem-${problem.code}`, problem, problem.sentence),
    remedyOf: (problem: Problem) =>
      translate(`problem-${problem.code}-remedy`, problem, problem.remedy),
  };
}

interface ProblemListProps {
  readonly problems: readonly Problem[];
  /** The text without problems. */
  readonly empty: string;
}

export function ProblemList({ problems, empty }: ProblemListProps) {
  const t = useText();
  const { rows, hasNews, show, watch } = useSteadyRows(problems, keyOf, '');
  const [acting, setActing] = useState<Problem>();
  return (
    <div class="problem-list" {...watch}>
      {/* The place is reserved, so the button moves no problem. */}
      <p class="problem-news">
        {hasNews && (
          <button type="button" class="danger" onClick={show}>
            {t('show-changes')}
          </button>
        )}
      </p>
      {rows.length === 0 ? (
        <p class="no-problems">{empty}</p>
      ) : (
        <ul class="problems">
          {rows.map(({ row, isGone }) => (
            <ProblemItem
              key={keyOf(row)}
              problem={row}
              isGone={isGone}
              onAct={() => setActing(row)}
            />
          ))}
        </ul>
      )}
      {acting && <RemedyDialog problem={acting} onClose={() => setActing(undefined)} />}
    </div>
  );
}

function ProblemItem(props: {
  readonly problem: Problem;
  readonly isGone: boolean;
  onAct(): void;
}) {
  const t = useText();
  const can = useCan();
  const { describe, remedyOf } = useProblemSentences();
  const { problem, isGone, onAct } = props;
  const { action, command, since } = problem;
  const [path] = useLocation();
  const link = linkOf(problem);
  const isElsewhere = link !== undefined && link !== path;
  return (
    <li class={isGone ? 'problem over' : 'problem'}>
      <p>
        <strong>{describe(problem)}</strong>
        {since !== null && (
          <small>
            {' '}
            {t('problem-since')} <Time at={since} />
          </small>
        )}
      </p>
      <p>
        {t('problem-remedy')} {remedyOf(problem)}
      </p>
      <p class="remedies">
        {isGone && <span>{t('problem-over')}</span>}
        {action !== null && can(action.scope) && (
          <button type="button" class="primary" disabled={isGone} onClick={onAct}>
            {t(`problem-do-${action.code}`)}
          </button>
        )}
        {isElsewhere && <Link href={link}>{t('problem-list')}</Link>}
        {command !== null && <code>{command}</code>}
      </p>
    </li>
  );
}

function RemedyDialog({ problem, onClose }: { readonly problem: Problem; onClose(): void }) {
  const t = useText();
  const { describe, remedyOf } = useProblemSentences();
  const { action } = problem;
  const send = useSend(action?.method ?? 'POST', action?.path ?? '');
  if (action === null) return null;
  return (
    <ActionDialog
      title={t(`problem-do-${action.code}`)}
      confirm={t(`problem-do-${action.code}`)}
      isDangerous={action.code === 'confirm_held' || action.code === 'accept_clock'}
      done={t('problem-done')}
      act={(key) => send.mutateAsync({ key, ...(action.body !== null && { body: action.body }) })}
      onClose={onClose}
    >
      <p>{describe(problem)}</p>
      <p>{remedyOf(problem)}</p>
      <p>{t(`problem-effect-${action.code}`)}</p>
      {action.code === 'confirm_held' && <HeldChanges problem={problem} />}
    </ActionDialog>
  );
}

const heldOutcomes = ['hold-charge', 'hold-end', 'unwanted'];

/** The changes that a guard holds, as a run would decide them now. */
function HeldChanges({ problem: { params } }: { readonly problem: Problem }) {
  const t = useText();
  const { count } = useFormats();
  return (
    <>
      <DifferenceTable
        rows={[
          {
            label: t('problem-held'),
            before: count(Number(params.held)),
            after: t('problem-held-after'),
          },
        ]}
      />
      <RunPreview worker={String(params.worker)} first={heldOutcomes} />
    </>
  );
}
