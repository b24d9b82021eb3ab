import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { Fault } from '../kernel/faults.ts';
import { linkFlows } from '../kernel/flow.ts';

// What a node's `link` says: how customers reach it from outside. The operator's words are those of
// share links (XRAY.md 6), so that one from another program can be copied key by key.

const text = z.string({ error: 'must be a text; put numbers in quotes' }).min(1);

const settings = z.strictObject({
  protocol: z.enum(['vless', 'vmess', 'trojan']).default('vless'),
  host: text,
  port: z.number().int().min(1).max(65_535),
  /** What customers see as its name; the node's id where it is not given. */
  name: text.optional(),
  type: z
    .enum(['tcp', 'raw', 'ws', 'grpc', 'xhttp', 'httpupgrade'])
    .default('tcp')
    // Xray's newer word for the same; share links keep the old one.
    .transform((type) => (type === 'raw' ? 'tcp' : type)),
  security: z.enum(['none', 'tls', 'reality']).default('none'),
  encryption: text.default('none'),
  flow: z.enum(linkFlows).default(''),
  headerType: text.default('none'),
  path: text.optional(),
  hostHeader: text.optional(),
  serviceName: text.optional(),
  authority: text.optional(),
  mode: text.optional(),
  extra: z.union([text, z.record(z.string(), z.unknown())]).optional(),
  sni: text.optional(),
  fp: text.default('chrome'),
  alpn: z.union([text, z.array(text)]).optional(),
  pbk: text.optional(),
  sid: z.string({ error: 'must be a text; put it in quotes, as "01"' }).default(''),
  spx: text.optional(),
  pqv: text.optional(),
  pcs: text.optional(),
  vcn: text.optional(),
  ech: text.optional(),
  scy: text.default('auto'),
});

export type LinkSettings = z.output<typeof settings>;

/** Flow works where TLS 1.3 is right below: TCP, or XHTTP with VLESS's own encryption. */
function flowFits({ protocol, type, security, encryption }: LinkSettings): boolean {
  if (protocol !== 'vless') return false;
  return type === 'tcp' ? security !== 'none' || encryption !== 'none' : encryption !== 'none';
}

/** What is wrong with settings that are each right by themselves. */
function contradiction(link: LinkSettings): string | undefined {
  if (asciiHost(link.host) === undefined) return `host: "${link.host}" is no host`;
  if (link.security === 'reality') {
    if (link.protocol === 'vmess') return 'security: reality has no place in a VMess link';
    for (const key of ['pbk', 'sni'] as const) {
      if (link[key] === undefined) return `${key} is missing; reality needs it`;
    }
    if (!/^(?:[0-9a-f]{2}){0,8}$/.test(link.sid)) {
      return `sid: "${link.sid}" is not a short id; up to 16 hex digits, an even number, are`;
    }
  }
  if (link.flow !== '' && !flowFits(link)) {
    return 'flow is for VLESS over TCP with tls or reality; leave it out here';
  }
  return undefined;
}

/** The settings, or what is wrong with them, beginning with the key. */
export function linkOrWrong(value: unknown): LinkSettings | { readonly wrong: string } {
  const read = settings.safeParse(value);
  if (read.success) {
    const wrong = contradiction(read.data);
    return wrong === undefined ? read.data : { wrong };
  }
  const [issue] = read.error.issues;
  return { wrong: `${issue?.path.join('.') || 'settings'}: ${issue?.message}` };
}

/** @throws Fault bad_link that names the node and the key */
export function readLink(node: string, value: unknown): LinkSettings {
  const read = linkOrWrong(value);
  if (!('wrong' in read)) return read;
  throw new Fault('permanent', 'bad_link', `node ${node}: link.${read.wrong}`);
}

/** A host as it goes onto the wire: punycode, without brackets; undefined if it is none. */
export function asciiHost(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return bare;
  // The URL parser that does this for us would cut a path off, silently.
  if (/[\s/\\?#@:%]/.test(host)) return undefined;
  const ascii = domainToASCII(host);
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?$/.test(ascii) ? ascii : undefined;
}
