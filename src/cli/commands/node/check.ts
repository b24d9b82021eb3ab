import type { Command } from 'commander';
import { listNamedNodes, type NodeStatus } from '../../../catalog/nodes.ts';
import { toFault } from '../../../db/faults.ts';
import { formatCount } from '../../../kernel/count.ts';
import { connectNode } from '../../../xray/grpc/client.ts';
import { checkLinkFit } from '../../../xray/link-fit.ts';
import { formatLinkFault, tryParseLink } from '../../../xray/link-settings.ts';
import type { Inbound, NodeApi } from '../../../xray/port.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';

// `perennial node check`: reads whether a node is reachable and valid. It changes nothing.

interface CheckedInbound {
  readonly tag: string;
  readonly protocol: string | null;
  readonly users: number | null;
  readonly error: string | null;
}

interface CheckedNode {
  readonly id: string;
  readonly api: string;
  readonly well: boolean;
  readonly uptime_s: number | null;
  /** Xray's API does not return its version; its capabilities imply the lowest one. */
  readonly version: string | null;
  readonly inbounds: readonly CheckedInbound[];
  /** Values of the link that no inbound fits: customers cannot connect by it. */
  readonly link_error: string | null;
  readonly error: string | null;
}

/** The lowest version that lists its inbounds (docs/xray-facts.md). */
const versionMin = '25.6.7 or newer';

export function buildNodeCheckCommand(open: DatabaseOpener): Command {
  return buildCommand(
    'check',
    'read from nodes whether they are reachable and valid, with version, uptime, inbounds and users',
  )
    .argument('[ID]', 'check only this node [all]')
    .addHelpText('after', '\nExit code 1 if a node is unreachable or misconfigured.')
    .action((id: string | undefined, options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const checked = await Promise.all((await listNamedNodes(db, id)).map(checkNode));
        printResult(options, checked, () =>
          checked.length === 0
            ? 'no nodes; add them with "perennial apply FILE"'
            : checked.map(formatNode).join('\n'),
        );
        if (checked.some(({ well }) => !well)) process.exitCode = 1;
      }),
    );
}

async function checkNode({ id, api, tls, inbounds: tags, link }: NodeStatus): Promise<CheckedNode> {
  const none = { uptime_s: null, version: null, inbounds: [], link_error: null };
  const failed = { id, api, well: false, ...none };
  let node: NodeApi | undefined;
  try {
    node = connectNode({ api, tls });
    const { uptimeS } = await node.readHealth();
    const nodeInbounds = await node.readInbounds();
    const inbounds: CheckedInbound[] = [];
    for (const tag of tags) inbounds.push(await checkInbound(node, tag, nodeInbounds));
    const link_error = describeLinkError(
      link,
      nodeInbounds.filter(({ tag }) => tags.includes(tag)),
    );
    const isUsable = link_error === null && inbounds.every(({ error }) => error === null);
    const result = { uptime_s: uptimeS, version: versionMin, inbounds, link_error };
    return { id, api, well: isUsable, ...result, error: null };
  } catch (error) {
    return { ...failed, error: toFault(error).message };
  } finally {
    node?.close();
  }
}

/** @param inbounds the inbounds of the node that have our users */
function describeLinkError(link: unknown, inbounds: readonly Inbound[]): string | null {
  const parsed = tryParseLink(link);
  if ('faults' in parsed) return parsed.faults.map(formatLinkFault).join('; ');
  return checkLinkFit(parsed, inbounds).join('; ') || null;
}

async function checkInbound(
  node: NodeApi,
  tag: string,
  nodeInbounds: readonly Inbound[],
): Promise<CheckedInbound> {
  const inbound = nodeInbounds.find((each) => each.tag === tag);
  const protocol = inbound?.manages === true ? inbound.protocol : null;
  const toFailed = (error: string) => ({ tag, protocol, users: null, error });
  if (inbound === undefined) {
    const tags = nodeInbounds.map((each) => each.tag).filter((each) => each !== '');
    return toFailed(`is not an inbound of this node; available: ${tags.join(', ') || 'none'}`);
  }
  if (!inbound.manages) return toFailed(`is a ${inbound.type}; expected VLESS, VMess or Trojan`);
  try {
    return { tag, protocol, users: await node.countUsers(tag), error: null };
  } catch (error) {
    return toFailed(toFault(error).message);
  }
}

function formatNode({
  id,
  api,
  uptime_s,
  version,
  inbounds,
  link_error,
  error,
}: CheckedNode): string {
  if (error !== null) return `${id}: unreachable: ${error}`;
  const lines = inbounds.map(({ tag, protocol, users, error: wrong }) =>
    wrong === null
      ? `  ${tag}: ${protocol}, ${formatCount(users ?? 0, 'user')}`
      : `  ${tag}: misconfigured: ${wrong}`,
  );
  if (link_error !== null) lines.push(`  link: misconfigured: ${link_error}`);
  return [`${id}: reachable at ${api}, Xray ${version}, up for ${uptime_s} s`, ...lines].join('\n');
}
