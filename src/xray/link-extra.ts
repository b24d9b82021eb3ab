import { z } from 'zod';
import type { LinkFault } from './link-settings.ts';

// `extra` of an XHTTP link: an object, or its JSON. Unknown keys pass, because newer clients have
// more of them.

const rangeText = 'is not a number; expected one, or a range as "100-1000"';
const rangeSchema = z.union(
  [
    z.number(rangeText).int(rangeText),
    z.string(rangeText).regex(/^\d{1,9}(?:-\d{1,9})?$/, rangeText),
  ],
  rangeText,
);
const isPositive = (value: string | number) =>
  String(value)
    .split('-')
    .every((part) => Number(part) > 0);
const booleanSchema = z.boolean('is not a switch; expected true or false');
const integerSchema = z.number('is not a number').int('is not a whole number');
const textSchema = z.string('is not a text');
const toPlacementSchema = (...placements: readonly string[]) =>
  z.enum(['', ...placements], `is not a choice; available: ${placements.join(', ')}`);

const extraSchema = z.looseObject({
  headers: z
    .record(z.string(), textSchema, 'is not a mapping; expected texts by name')
    .refine((all) => !Object.keys(all).some((name) => name.toLowerCase() === 'host'), {
      error: 'has "host"; expected the key hostHeader of the link',
    }),
  xPaddingBytes: rangeSchema.refine(isPositive, 'is too small; expected a number above 0'),
  xPaddingObfsMode: booleanSchema,
  xPaddingKey: textSchema,
  xPaddingHeader: textSchema,
  xPaddingPlacement: toPlacementSchema('cookie', 'header', 'query', 'queryInHeader'),
  xPaddingMethod: toPlacementSchema('repeat-x', 'tokenish'),
  uplinkHTTPMethod: textSchema,
  sessionIDPlacement: toPlacementSchema('path', 'cookie', 'header', 'query'),
  sessionIDKey: textSchema,
  sessionIDTable: textSchema,
  sessionIDLength: rangeSchema,
  seqPlacement: toPlacementSchema('path', 'cookie', 'header', 'query'),
  seqKey: textSchema,
  uplinkDataPlacement: toPlacementSchema('auto', 'body', 'cookie', 'header'),
  uplinkDataKey: textSchema,
  uplinkChunkSize: rangeSchema,
  noGRPCHeader: booleanSchema,
  noSSEHeader: booleanSchema,
  scMaxEachPostBytes: rangeSchema,
  scMinPostsIntervalMs: rangeSchema,
  scMaxBufferedPosts: integerSchema,
  scStreamUpServerSecs: rangeSchema,
  serverMaxHeaderBytes: integerSchema.min(0, 'is too small; expected at least 0'),
  xmux: z
    .looseObject({
      maxConcurrency: rangeSchema,
      maxConnections: rangeSchema,
      cMaxReuseTimes: rangeSchema,
      hMaxRequestTimes: rangeSchema,
      hMaxReusableSecs: rangeSchema,
      hKeepAlivePeriod: integerSchema,
    })
    .partial()
    .refine((xmux) => !(isSet(xmux.maxConnections) && isSet(xmux.maxConcurrency)), {
      error: 'has maxConnections and maxConcurrency; expected one of them',
    }),
  downloadSettings: z.looseObject({}),
});

const isSet = (value: string | number | undefined): boolean =>
  value !== undefined && isPositive(value);

/** @returns undefined for anything but an object */
function parseObject(extra: string | object): object | undefined {
  if (typeof extra !== 'string') return extra;
  const parsed = z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue('is not JSON');
        return z.NEVER;
      }
    })
    .pipe(z.record(z.string(), z.unknown()))
    .safeParse(extra);
  return parsed.data;
}

/** @param mode of the link */
export function checkExtra(extra: string | object, mode: string): LinkFault[] {
  const object = parseObject(extra);
  if (object === undefined) {
    const shown = JSON.stringify(String(extra).slice(0, 64));
    return [
      { key: 'extra', sentence: `${shown} is not a JSON object; expected one as {"xmux": …}` },
    ];
  }
  const parsed = extraSchema.partial().safeParse(object);
  const faults = (parsed.error?.issues ?? []).map(({ path, message }) => ({
    key: ['extra', ...path].join('.'),
    sentence: message,
  }));
  const { data } = parsed;
  if (data === undefined || mode === 'packet-up') return faults;
  if (/^get$/i.test(data.uplinkHTTPMethod ?? '')) {
    faults.push({ key: 'extra.uplinkHTTPMethod', sentence: '"GET" needs the mode packet-up' });
  }
  if (['cookie', 'header'].includes(data.uplinkDataPlacement ?? '')) {
    const sentence = `"${data.uplinkDataPlacement}" needs the mode packet-up`;
    faults.push({ key: 'extra.uplinkDataPlacement', sentence });
  }
  if (mode === 'stream-one' && data.downloadSettings !== undefined) {
    const sentence = 'is not possible in the mode stream-one; expected another mode';
    faults.push({ key: 'extra.downloadSettings', sentence });
  }
  return faults;
}
