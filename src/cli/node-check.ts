import type { Command } from 'commander';
import { namedNodes, type ShownNode } from '../catalog/nodes.ts';
import { faultOf } from '../db/faults.ts';
import { connectNode } from '../xray/grpc/client.ts';
import { linkMisfits } from '../xray/link-fit.ts';
import { faultText, readShape } from '../xray/link-settings.ts';
import type { Inbound, NodeApi } from '../xray/port.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';

// `perennial node check`: whether we could do our work on a node, without doing any.

interface CheckedInbound {
  readonly tag: string;
  readonly protocol: string | null;
  readonly users: number | null;
  readonly error: string | null;
}

interface Checked {
  readonly id: string;
  readonly api: string;
  readonly well: boolean;
  readonly uptime_s: number | null;
  /** Xray's API doesn't tell its version; what it can do tells the least. */
  readonly version: string | null;
  readonly inbounds: readonly CheckedInbound[];
  /** Values of the link that no inbound fits: customers cannot connect by it. */
  readonly link_error: string | null;
  readonly error: string | null;
}

/** Of an Xray that has told its inbounds (docs/xray-facts.md). */
const leastVersion = '25.6.7 or newer';

export function checkCommand(open: OpenBooks): Command {
  return command('check', 'ask nodes how they are: reachable, version, uptime, inbounds, users')
    .argument('[ID]', 'one of them; all by default')
    .addHelpText('after', "\nExit code 1 if one of them isn't well.")
    .action((id: string | undefined, options: CommonOptions) =>
      withBooks(open, options, async ({ db }) => {
        const checked = await Promise.all((await namedNodes(db, id)).map(check));
        print(options, checked, () =>
          checked.length === 0
            ? 'no nodes yet; "perennial apply FILE" adds them'
            : checked.map(text).join('\n'),
        );
        if (checked.some(({ well }) => !well)) process.exitCode = 1;
      }),
    );
}

async function check({ id, api, tls, inbounds: tags, link }: ShownNode): Promise<Checked> {
  const none = { uptime_s: null, version: null, inbounds: [], link_error: null };
  const failed = { id, api, well: false, ...none };
  let node: NodeApi | undefined;
  try {
    node = connectNode({ api, tls });
    const { uptimeS } = await node.health();
    const there = await node.inbounds();
    const inbounds: CheckedInbound[] = [];
    for (const tag of tags) inbounds.push(await checkInbound(node, tag, there));
    const link_error = linkError(
      link,
      there.filter(({ tag }) => tags.includes(tag)),
    );
    const well = link_error === null && inbounds.every(({ error }) => error === null);
    const found = { uptime_s: uptimeS, version: leastVersion, inbounds, link_error };
    return { id, api, well, ...found, error: null };
  } catch (error) {
    return { ...failed, error: faultOf(error).message };
  } finally {
    node?.close();
  }
}

/** @param inbounds those of the node that have our users */
function linkError(link: unknown, inbounds: readonly Inbound[]): string | null {
  const read = readShape(link);
  if ('faults' in read) return read.faults.map(faultText).join('; ');
  return linkMisfits(read, inbounds).join('; ') || null;
}

async function checkInbound(
  node: NodeApi,
  tag: string,
  there: readonly Inbound[],
): Promise<CheckedInbound> {
  const found = there.find((each) => each.tag === tag);
  const protocol = found?.manages === true ? found.protocol : null;
  const wrong = (error: string) => ({ tag, protocol, users: null, error });
  if (found === undefined) {
    const tags = there.map((each) => each.tag).filter((each) => each !== '');
    return wrong(`there is no such inbound; there is ${tags.join(', ') || 'none with a tag'}`);
  }
  if (!found.manages) return wrong(`is a ${found.type}; users are managed of VLESS, VMess, Trojan`);
  try {
    return { tag, protocol, users: await node.countUsers(tag), error: null };
  } catch (error) {
    return wrong(faultOf(error).message);
  }
}

function text({ id, api, uptime_s, version, inbounds, link_error, error }: Checked): string {
  if (error !== null) return `${id}: NOT WELL: ${error}`;
  const lines = inbounds.map(({ tag, protocol, users, error: wrong }) =>
    wrong === null ? `  ${tag}: ${protocol}, ${users} users` : `  ${tag}: NOT WELL: ${wrong}`,
  );
  if (link_error !== null) lines.push(`  link: NOT WELL: ${link_error}`);
  return [`${id}: answers at ${api}, Xray ${version}, up for ${uptime_s} s`, ...lines].join('\n');
}
