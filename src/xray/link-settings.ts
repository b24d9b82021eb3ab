import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { Fault } from '../kernel/faults.ts';
import { linkFlows } from './flow.ts';

// The settings of a node's `link`: how customers reach it from outside. The keys are those of share
// links (docs/xray-facts.md, "Links"), so that a link of another program can be copied key by key.
// This file has the shape. `link-faults.ts` has the values that clients accept; `apply` requires
// them.

const textSchema = z
  .string({ error: 'is not a text; put numbers in quotes' })
  .min(1)
  // Half a surrogate has no UTF-8, and PostgreSQL has no NUL.
  .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), {
    error: 'has a control character, or half of a character',
  });

/** Clients show a name in one line. */
const nameMax = 200;

const linkProtocols = ['vless', 'vmess', 'trojan'] as const;
const linkTypes = ['tcp', 'raw', 'ws', 'grpc', 'xhttp', 'httpupgrade'] as const;
const linkSecurities = ['none', 'tls', 'reality'] as const;

/** A value of a list, or a sentence with the list. */
const toEnumSchema = <const Values extends readonly string[]>(values: Values, noun: string) =>
  z.enum(values, {
    error: ({ input }) =>
      `${JSON.stringify(input)} is not a ${noun}; expected ${values.filter((value) => value !== '').join(', ')}`,
  });

const shape = {
  protocol: toEnumSchema(linkProtocols, 'protocol of a link').default('vless'),
  host: textSchema,
  port: z.number().int().min(1).max(65_535),
  /** The name that customers see. The id of the node by default. */
  name: textSchema
    .max(nameMax, { error: `is too long; expected at most ${nameMax} characters` })
    .optional(),
  type: toEnumSchema(linkTypes, 'transport of a link')
    .default('tcp')
    // Xray's newer name of tcp; share links keep the old name.
    .transform((type) => (type === 'raw' ? 'tcp' : type)),
  security: toEnumSchema(linkSecurities, 'security of a link').default('none'),
  encryption: textSchema.default('none'),
  flow: toEnumSchema(linkFlows, 'flow').default(''),
  headerType: textSchema.default('none'),
  path: textSchema.optional(),
  hostHeader: textSchema.optional(),
  serviceName: textSchema.optional(),
  authority: textSchema.optional(),
  mode: textSchema.optional(),
  extra: z.union([textSchema, z.record(z.string(), z.unknown())]).optional(),
  sni: textSchema.optional(),
  fp: textSchema.default('chrome'),
  alpn: z.union([textSchema, z.array(textSchema)]).optional(),
  pbk: textSchema.optional(),
  sid: z.string({ error: 'is not a text; put it in quotes, as "01"' }).default(''),
  spx: textSchema.optional(),
  pqv: textSchema.optional(),
  pcs: textSchema.optional(),
  vcn: textSchema.optional(),
  ech: textSchema.optional(),
  scy: textSchema.default('auto'),
};

export const linkSettingsSchema = z.strictObject(shape);

export type LinkSettings = z.output<typeof linkSettingsSchema>;
export type LinkKey = keyof LinkSettings;

/** The fault of one key: a sentence that starts after the name of the key. */
export interface LinkFault {
  readonly key: string;
  readonly sentence: string;
}

/** The settings by their shape, or all faults of the shape. */
export function tryParseLink(value: unknown): LinkSettings | { readonly faults: LinkFault[] } {
  const parsed = linkSettingsSchema.safeParse(value);
  if (!parsed.success) return { faults: parsed.error.issues.flatMap(toLinkFaults) };
  if (toAsciiHost(parsed.data.host) !== undefined) return parsed.data;
  const sentence = `"${parsed.data.host}" is not a host; expected a domain or an IP address`;
  return { faults: [{ key: 'host', sentence }] };
}

function toLinkFaults(issue: z.core.$ZodIssue): LinkFault[] {
  if (issue.code === 'unrecognized_keys') {
    const keys = Object.keys(shape).join(', ');
    return issue.keys.map((key) => ({ key, sentence: `is not a key of a link; expected ${keys}` }));
  }
  return [{ key: issue.path.join('.'), sentence: issue.message }];
}

export const formatLinkFault = ({ key, sentence }: LinkFault): string =>
  key === '' ? `link: ${sentence}` : `link.${key}: ${sentence}`;

/** Reads stored settings. @throws Fault bad_link that names the node and the key */
export function parseLink(node: string, value: unknown): LinkSettings {
  const parsed = tryParseLink(value);
  if (!('faults' in parsed)) return parsed;
  const texts = parsed.faults.map(formatLinkFault).join('; ');
  throw new Fault('permanent', 'bad_link', `node ${node}: ${texts}`);
}

/** A host as it goes onto the wire: punycode, without brackets; undefined if it is none. */
export function toAsciiHost(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  // A zone names an interface of one machine.
  if (isIP(bare) !== 0) return bare.includes('%') ? undefined : bare;
  // `domainToASCII` would drop a path silently.
  if (/[\s/\\?#@:%]/.test(host)) return undefined;
  const ascii = domainToASCII(host);
  if (ascii.length > 253 || ascii.split('.').some((label) => label.length > 63)) return undefined;
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?$/.test(ascii) ? ascii : undefined;
}

/** A `Host` header in punycode: a host with an optional port, or several with commas. */
export function toAsciiHostHeader(header: string): string | undefined {
  const hosts = header.split(',').map((entry) => {
    const [, host = '', port = ''] = /^\s*(\[[^\]]*\]|[^:]*)(:\d{1,5})?\s*$/.exec(entry) ?? [];
    const ascii = toAsciiHost(host);
    if (ascii === undefined) return undefined;
    return `${isIP(ascii) === 6 ? `[${ascii}]` : ascii}${port}`;
  });
  return hosts.includes(undefined) ? undefined : hosts.join(',');
}

/** Names with commas in between, in punycode. */
export function toAsciiNames(names: string): string | undefined {
  const converted = names.split(',').map((name) => toAsciiHost(name.trim()));
  return converted.includes(undefined) ? undefined : converted.join(',');
}

/** The parts of a list with commas, or of a list. */
export function parseAlpn({ alpn }: LinkSettings): readonly string[] {
  const parts = typeof alpn === 'string' ? alpn.split(',') : (alpn ?? []);
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}
