import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { Fault } from '../kernel/faults.ts';
import { linkFlows } from '../kernel/flow.ts';

// The settings of a node's `link`: how customers reach it from outside. The keys are those of share
// links (docs/xray-facts.md, "Links"), so that a link of another program can be copied key by key.
// This file has the shape. `link-faults.ts` has the values that clients accept, which `apply`
// requires.

const text = z
  .string({ error: 'must be a text; put numbers in quotes' })
  .min(1)
  // Half a surrogate has no UTF-8, and PostgreSQL has no NUL.
  .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), {
    error: 'has a control character, or half of a character',
  });

/** Clients show a name in one line. */
const nameMax = 200;

export const linkProtocols = ['vless', 'vmess', 'trojan'] as const;
export const linkTypes = ['tcp', 'raw', 'ws', 'grpc', 'xhttp', 'httpupgrade'] as const;
export const linkSecurities = ['none', 'tls', 'reality'] as const;

/** A value of a list, or a sentence with the list. */
const oneOf = <const Values extends readonly string[]>(values: Values, what: string) =>
  z.enum(values, {
    error: ({ input }) =>
      `${JSON.stringify(input)} is not a ${what}; expected ${values.filter((one) => one !== '').join(', ')}`,
  });

const shape = {
  protocol: oneOf(linkProtocols, 'protocol of a link').default('vless'),
  host: text,
  port: z.number().int().min(1).max(65_535),
  /** The name that customers see. The id of the node by default. */
  name: text
    .max(nameMax, { error: `is too long; expected at most ${nameMax} characters` })
    .optional(),
  type: oneOf(linkTypes, 'transport of a link')
    .default('tcp')
    // Xray's newer word for the same; share links keep the old one.
    .transform((type) => (type === 'raw' ? 'tcp' : type)),
  security: oneOf(linkSecurities, 'security of a link').default('none'),
  encryption: text.default('none'),
  flow: oneOf(linkFlows, 'flow').default(''),
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
};

export const linkShape = z.strictObject(shape);

export type LinkSettings = z.output<typeof linkShape>;
export type LinkKey = keyof LinkSettings;

/** What is wrong with one key, as a sentence that starts after the name of the key. */
export interface LinkFault {
  readonly key: string;
  readonly sentence: string;
}

/** The settings by their shape, or all faults of the shape. */
export function readShape(value: unknown): LinkSettings | { readonly faults: LinkFault[] } {
  const read = linkShape.safeParse(value);
  if (!read.success) return { faults: read.error.issues.flatMap(faultsOf) };
  if (asciiHost(read.data.host) !== undefined) return read.data;
  const sentence = `"${read.data.host}" is not a host; expected a domain or an IP address`;
  return { faults: [{ key: 'host', sentence }] };
}

function faultsOf(issue: z.core.$ZodIssue): LinkFault[] {
  if (issue.code === 'unrecognized_keys') {
    const keys = Object.keys(shape).join(', ');
    return issue.keys.map((key) => ({ key, sentence: `is not a key of a link; expected ${keys}` }));
  }
  return [{ key: issue.path.join('.'), sentence: issue.message }];
}

export const faultText = ({ key, sentence }: LinkFault): string =>
  key === '' ? `link: ${sentence}` : `link.${key}: ${sentence}`;

/** Reads stored settings. @throws Fault bad_link that names the node and the key */
export function readLink(node: string, value: unknown): LinkSettings {
  const read = readShape(value);
  if (!('faults' in read)) return read;
  const texts = read.faults.map(faultText).join('; ');
  throw new Fault('permanent', 'bad_link', `node ${node}: ${texts}`);
}

/** A host as it goes onto the wire: punycode, without brackets; undefined if it is none. */
export function asciiHost(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  // A zone names an interface of one machine.
  if (isIP(bare) !== 0) return bare.includes('%') ? undefined : bare;
  // The URL parser that does this for us would cut a path off, silently.
  if (/[\s/\\?#@:%]/.test(host)) return undefined;
  const ascii = domainToASCII(host);
  if (ascii.length > 253 || ascii.split('.').some((label) => label.length > 63)) return undefined;
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?$/.test(ascii) ? ascii : undefined;
}

/** A `Host` header in punycode: a host with an optional port, or several with commas. */
export function asciiHostHeader(header: string): string | undefined {
  const hosts = header.split(',').map((one) => {
    const [, host = '', port = ''] = /^\s*(\[[^\]]*\]|[^:]*)(:\d{1,5})?\s*$/.exec(one) ?? [];
    const ascii = asciiHost(host);
    if (ascii === undefined) return undefined;
    return `${isIP(ascii) === 6 ? `[${ascii}]` : ascii}${port}`;
  });
  return hosts.includes(undefined) ? undefined : hosts.join(',');
}

/** Names with commas in between, in punycode. */
export function asciiNames(names: string): string | undefined {
  const read = names.split(',').map((name) => asciiHost(name.trim()));
  return read.includes(undefined) ? undefined : read.join(',');
}

/** The parts of a list with commas, or of a list. */
export function alpnOf({ alpn }: LinkSettings): readonly string[] {
  const parts = typeof alpn === 'string' ? alpn.split(',') : (alpn ?? []);
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}
