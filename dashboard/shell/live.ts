import { type Query, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'preact/hooks';
import { onceMark, steadyMark } from '../api/client.ts';
import { isResting } from '../api/read-pace.ts';

// Live updates by server-sent events.
//
// 1. The server sends the topics that changed. Reads of these topics are repeated.
// 2. A hidden tab closes its stream. A tab that is shown again repeats its reads, except those
//    that take seconds: a person repeats them.
// 3. A read in progress goes on, and a slow read rests (`api/read-pace.ts`). Both are repeated
//    later, because they may be older than the change.
// 4. A lost connection is opened again after 1, 2, 4 … 15 s, and then all reads are repeated.

export type LiveState = 'live' | 'connecting' | 'paused';

/** The topics of a path. A read whose path is in no line changes with every topic. */
const topicsByPath: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^\/v1\/(report|plans|audit)/, ['audit']],
  [/^\/v1\/forecast/, []],
  [/^\/v1\/problems/, ['alarms', 'runs', 'nodes', 'quarantine', 'clock']],
  [/^\/v1\/(runs|workers)/, ['runs']],
  [/^\/v1\/nodes/, ['nodes']],
  [/^\/v1\/ledger/, ['ledger']],
  [/^\/v1\/(notices|couriers)/, ['notices']],
  [/^\/v1\/quarantine/, ['quarantine']],
  [/^\/v1\/bulk-jobs/, ['bulk']],
  [/^\/v1\/clock/, ['clock']],
  [/^\/v1\/(customers|subscriptions)/, ['ledger', 'events', 'notices', 'nodes']],
];

const isTouched = (path: string, topics: readonly string[]): boolean => {
  const known = topicsByPath.find(([pattern]) => pattern.test(path));
  return known === undefined || known[1].some((topic) => topics.includes(topic));
};

const retryMaxMs = 15_000;
const repeatMs = 2_000;

/** Keeps the stream open while the tab is visible. */
export function useLiveUpdates(): LiveState {
  const queries = useQueryClient();
  const [state, setState] = useState<LiveState>('connecting');
  useEffect(() => {
    let source: EventSource | undefined;
    let timer: number | undefined;
    let retryMs = 1_000;
    let isFirst = true;
    /** The topics of reads that are repeated later. */
    let waiting: readonly string[] = [];
    let waitTimer: number | undefined;
    const refresh = (topics?: readonly string[]): void => {
      const isConcerned = ({ queryKey: [path, , mark] }: Query): boolean =>
        mark !== onceMark &&
        (topics === undefined ||
          (typeof path === 'string' && mark !== steadyMark && isTouched(path, topics)));
      const predicate = (query: Query) =>
        isConcerned(query) && (topics === undefined || !isResting(query));
      const isLate = queries
        .getQueryCache()
        .findAll({ type: 'active', predicate: isConcerned })
        .some((query) => query.state.fetchStatus === 'fetching' || isResting(query));
      if (topics !== undefined && isLate) refreshLater(topics);
      void queries.invalidateQueries({ predicate }, { cancelRefetch: false });
    };
    const refreshLater = (topics: readonly string[]): void => {
      waiting = [...new Set([...waiting, ...topics])];
      waitTimer ??= window.setTimeout(() => {
        const due = waiting;
        waiting = [];
        waitTimer = undefined;
        refresh(due);
      }, repeatMs);
    };
    const close = () => {
      source?.close();
      source = undefined;
      clearTimeout(timer);
    };
    const open = () => {
      close();
      setState('connecting');
      source = new EventSource('/ui/events');
      source.addEventListener('open', () => {
        setState('live');
        retryMs = 1_000;
        // The first reads are younger than the stream.
        if (!isFirst) refresh();
        isFirst = false;
      });
      source.addEventListener('changed', ({ data }) => refresh(JSON.parse(data).topics));
      source.addEventListener('error', () => {
        close();
        setState('connecting');
        // The session may have ended. Its read shows this.
        void queries.invalidateQueries({ queryKey: ['/ui/session'] });
        timer = window.setTimeout(open, retryMs);
        retryMs = Math.min(retryMs * 2, retryMaxMs);
      });
    };
    const follow = () => {
      if (document.visibilityState === 'visible') open();
      else {
        close();
        setState('paused');
      }
    };
    follow();
    document.addEventListener('visibilitychange', follow);
    return () => {
      document.removeEventListener('visibilitychange', follow);
      clearTimeout(waitTimer);
      close();
    };
  }, [queries]);
  return state;
}
