import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type Answer, onceMark, readNow } from '../../api/client.ts';
import { ApiProblem } from '../../api/problem.ts';

// The audit that this page started. It continues while the person reads another page, and its
// result is here after the return.

export type AuditReport = Answer<'/v1/audit'>;

const key = ['/v1/audit', {}, onceMark];

let controller: AbortController | undefined;
/** Set for the next start: only changes since the last clean audit of everything. */
let onlyChanges = false;

export interface AuditRun {
  readonly report: AuditReport | undefined;
  /** Undefined also after the person stopped the audit. */
  readonly problem: ApiProblem | undefined;
  readonly isRunning: boolean;
  start(request: { readonly onlyChanges: boolean }): void;
  stop(): void;
}

async function runAudit(): Promise<AuditReport> {
  controller = new AbortController();
  const query = onlyChanges ? { since_last: 'true' } : {};
  try {
    return await readNow('/v1/audit', { query }, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw new ApiProblem(0, { type: 'stopped' });
    throw error;
  }
}

export function useAuditRun(): AuditRun {
  const queries = useQueryClient();
  const { data, error, isFetching, refetch } = useQuery<AuditReport, ApiProblem>({
    queryKey: key,
    queryFn: runAudit,
    enabled: false,
    retry: false,
    gcTime: Number.POSITIVE_INFINITY,
  });
  return {
    report: data,
    problem: error === null || error.code === 'stopped' ? undefined : error,
    isRunning: isFetching,
    start(request) {
      onlyChanges = request.onlyChanges;
      void refetch().then(() => queries.invalidateQueries({ queryKey: ['/v1/overview'] }));
    },
    stop: () => controller?.abort(),
  };
}
