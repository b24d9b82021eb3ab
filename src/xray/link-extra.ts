import { z } from 'zod';
import type { LinkFault } from './link-settings.ts';

// `extra` of an XHTTP link: an object, or its JSON. Keys that this file does not have pass: newer
// clients know more of them.

const isRange = 'must be a number, or a range as "100-1000"';
const range = z.union(
  [z.number(isRange).int(isRange), z.string(isRange).regex(/^\d{1,9}(?:-\d{1,9})?$/, isRange)],
  isRange,
);
const isAbove = (value: string | number) =>
  String(value)
    .split('-')
    .every((part) => Number(part) > 0);
const flag = z.boolean('must be true or false');
const whole = z.number('must be a number').int('must be a whole number');
const word = z.string('must be a text');
const place = (...places: readonly string[]) =>
  z.enum(['', ...places], `must be one of ${places.join(', ')}`);

const known = z.looseObject({
  headers: z
    .record(z.string(), word, 'must be texts by name')
    .refine((all) => !Object.keys(all).some((name) => name.toLowerCase() === 'host'), {
      error: 'must not have "host"; expected the key hostHeader of the link',
    }),
  xPaddingBytes: range.refine(isAbove, 'must be above 0'),
  xPaddingObfsMode: flag,
  xPaddingKey: word,
  xPaddingHeader: word,
  xPaddingPlacement: place('cookie', 'header', 'query', 'queryInHeader'),
  xPaddingMethod: place('repeat-x', 'tokenish'),
  uplinkHTTPMethod: word,
  sessionIDPlacement: place('path', 'cookie', 'header', 'query'),
  sessionIDKey: word,
  sessionIDTable: word,
  sessionIDLength: range,
  seqPlacement: place('path', 'cookie', 'header', 'query'),
  seqKey: word,
  uplinkDataPlacement: place('auto', 'body', 'cookie', 'header'),
  uplinkDataKey: word,
  uplinkChunkSize: range,
  noGRPCHeader: flag,
  noSSEHeader: flag,
  scMaxEachPostBytes: range,
  scMinPostsIntervalMs: range,
  scMaxBufferedPosts: whole,
  scStreamUpServerSecs: range,
  serverMaxHeaderBytes: whole.min(0, 'must be at least 0'),
  xmux: z
    .looseObject({
      maxConcurrency: range,
      maxConnections: range,
      cMaxReuseTimes: range,
      hMaxRequestTimes: range,
      hMaxReusableSecs: range,
      hKeepAlivePeriod: whole,
    })
    .partial()
    .refine((xmux) => !(isSet(xmux.maxConnections) && isSet(xmux.maxConcurrency)), {
      error: 'must have one of maxConnections and maxConcurrency, not both',
    }),
  downloadSettings: z.looseObject({}),
});

const isSet = (value: string | number | undefined): boolean =>
  value !== undefined && isAbove(value);

/** The object; undefined: it is something else. */
function objectOf(extra: string | object): object | undefined {
  if (typeof extra !== 'string') return extra;
  const read = z
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
  return read.data;
}

/** @param mode of the link */
export function extraFaults(extra: string | object, mode: string): LinkFault[] {
  const found = objectOf(extra);
  if (found === undefined) {
    const shown = JSON.stringify(String(extra).slice(0, 64));
    return [
      { key: 'extra', sentence: `${shown} is not a JSON object; expected one as {"xmux": …}` },
    ];
  }
  const read = known.partial().safeParse(found);
  const faults = (read.error?.issues ?? []).map(({ path, message }) => ({
    key: ['extra', ...path].join('.'),
    sentence: message,
  }));
  const { data } = read;
  if (data === undefined || mode === 'packet-up') return faults;
  if (/^get$/i.test(data.uplinkHTTPMethod ?? '')) {
    faults.push({ key: 'extra.uplinkHTTPMethod', sentence: '"GET" needs the mode packet-up' });
  }
  if (['cookie', 'header'].includes(data.uplinkDataPlacement ?? '')) {
    const sentence = `"${data.uplinkDataPlacement}" needs the mode packet-up`;
    faults.push({ key: 'extra.uplinkDataPlacement', sentence });
  }
  if (mode === 'stream-one' && data.downloadSettings !== undefined) {
    const sentence = 'has no place in the mode stream-one; expected another mode';
    faults.push({ key: 'extra.downloadSettings', sentence });
  }
  return faults;
}
