import {
  type AuditReport,
  type CheckReport,
  createInterruptedFault,
} from '../../../audit/audit.ts';
import type { Violation } from '../../../audit/check.ts';
import { stopwatch } from '../../../kernel/stopwatch.ts';
import {
  type ComparisonContext,
  describeDrift,
} from '../../../workers/reconcile-xray-state/preview.ts';
import type { DriftKind } from '../../../workers/reconcile-xray-state/rule.ts';
import type { Drift } from '../../../workers/reconcile-xray-state/store.ts';
import type { VerifiedDrift } from '../../../workers/reconcile-xray-state/verified-drift.ts';
import { readVerifiedDrift } from '../../../workers/reconcile-xray-state/verified-drift.ts';
import { connectNode } from '../../../xray/grpc/client.ts';

// `perennial audit --nodes`: compares the users of each node with the database.
//
// It uses the comparison of reconcile-xray-state, and changes and marks nothing. A node that cannot
// be compared proves nothing, so it is a violation.

interface NodeCheck {
  readonly id: string;
  readonly promise: number;
  readonly title: string;
  /** undefined: the check that the node could be compared. */
  readonly kinds?: readonly DriftKind[];
}

const nodeChecks: readonly NodeCheck[] = [
  { id: 'node-was-asked', promise: 5, title: 'each node returned its users' },
  {
    id: 'node-has-who-may-connect',
    promise: 4,
    title: 'each node has every user that may connect there, as in the database',
    kinds: ['missing', 'different'],
  },
  {
    id: 'node-shares-no-uuid',
    promise: 4,
    title: 'no foreign name carries the UUID of a customer',
    kinds: ['conflict'],
  },
  {
    id: 'node-has-nobody-else',
    promise: 5,
    title: 'no node has a user of ours that may not connect there or is not in the database',
    kinds: ['unwanted', 'unknown'],
  },
];

/** Shows a pattern, like the samples of the other checks. */
const sampleMax = 20;

/**
 * Adds the checks of the nodes to the report. @throws Fault `interrupted` when the signal aborts
 */
export async function auditNodes(
  report: AuditReport,
  comparison: ComparisonContext,
): Promise<AuditReport> {
  const elapsedMs = stopwatch();
  const nodes = await readVerifiedDrift(comparison, connectNode, sampleMax);
  if (comparison.signal.aborted) throw createInterruptedFault();
  const tookMs = elapsedMs();
  const nodeReports = nodeChecks.map((check) => toCheckReport(check, nodes, tookMs));
  const users = nodes.reduce((sum, node) => sum + ('users' in node ? node.users : 0), 0);
  return {
    ...report,
    ok: report.ok && nodeReports.every(({ violations }) => violations === 0n),
    checks: [...report.checks, ...nodeReports],
    rowCounts: { ...report.rowCounts, node: BigInt(nodes.length), node_user: BigInt(users) },
    tookMs: report.tookMs + tookMs,
  };
}

function toCheckReport(
  { kinds, ...check }: NodeCheck,
  nodes: readonly VerifiedDrift[],
  tookMs: number,
): CheckReport {
  let violations = 0;
  const sample: Violation[] = [];
  for (const node of nodes) {
    if ('fault' in node) {
      if (kinds !== undefined) continue;
      violations += 1;
      const sentence = `node ${node.node} could not be compared: ${node.fault.message}`;
      sample.push({ telegramId: null, rows: { node: [node.node] }, sentence });
      continue;
    }
    for (const kind of kinds ?? []) violations += node.kinds[kind];
    const matching = node.sample.filter(({ kind }) => kinds?.includes(kind));
    sample.push(...matching.map((drift) => toViolation(node.node, drift)));
  }
  return { ...check, violations: BigInt(violations), sample: sample.slice(0, sampleMax), tookMs };
}

function toViolation(node: string, drift: Drift): Violation {
  const { telegramId, subscriptionId } = drift;
  return {
    telegramId,
    rows: { node: [node], ...(subscriptionId === null ? {} : { subscription: [subscriptionId] }) },
    sentence: describeDrift(drift),
  };
}
