import { type QueryFilters, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'preact/hooks';
import { onceMark, steadyMark } from '../api/client.ts';

// Live updates by server-sent events.
//
// 1. The server sends the topics that changed. Reads of these topics are repeated.
// 2. A hidden tab closes its stream. A tab that is shown again repeats its reads, except those
//    that take seconds: a person repeats them.
// 3. A lost connection is opened again after 1, 2, 4 … 15 s, and then all reads are repeated.

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
    const refresh = (topics?: readonly string[]): void => {
      const filters: QueryFilters = {
        predicate: ({ queryKey: [path, , mark] }) =>
          mark !== onceMark &&
          (topics === undefined ||
            (typeof path === 'string' && mark !== steadyMark && isTouched(path, topics))),
      };
      // A read in progress goes on: a read of 3 s would never end if each change cancelled it. It
      // may be older than the change, so it is repeated.
      if (queries.isFetching(filters) > 0) setTimeout(() => refresh(topics), repeatMs);
      void queries.invalidateQueries(filters, { cancelRefetch: false });
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
      close();
    };
  }, [queries]);
  return state;
}
