import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isNoticeKind, kinds, type NoticeKind } from '../kinds.ts';
import { badText } from './fluent.ts';
import { opensPage } from './html.ts';

// Which buttons stand under which message. What they say is a text of each language.

export type Button =
  | { readonly text: string; readonly url: string }
  | { readonly text: string; readonly callbackData: string };

export type ButtonPlan = z.output<typeof button>;
export type ButtonPlans = Partial<Record<NoticeKind, readonly (readonly ButtonPlan[])[]>>;

/** Telegram's limit. */
const callbackBytesMax = 64;
const longestId = '9'.repeat(19);

const text = z.string().regex(/^button_\w+$/, 'must be the name of a text: button_…');
const fitting = (data: string) =>
  Buffer.byteLength(filled(data, longestId)) <= callbackBytesMax && data !== '';
const fittingIs = `must be of 1 to ${callbackBytesMax} bytes, an id of 19 digits put in place`;
const isUrl = (url: string) => opensPage(filled(url, longestId));
const urlIs = ({ input }: { readonly input?: unknown }) =>
  `is "${input}"; it must be the URL of a page: https://…, of a host with a dot, or tg://…`;

const button = z.union(
  [
    z.strictObject({ text, url: z.string().refine(isUrl, { error: urlIs }) }),
    z.strictObject({ text, callback_data: z.string().refine(fitting, fittingIs) }),
  ],
  {
    error:
      'must be { text: button_NAME, url: https://… } or { text: button_NAME, callback_data: … }',
  },
);
const rows = z.array(z.array(button, 'must be a row: a list of buttons'), 'must be a list of rows');

/** @throws UsageFault naming the file, the kind and what is allowed */
export function readButtons(path: string, source: string): ButtonPlans {
  const document = parseDocument(source);
  const [broken] = document.errors;
  if (broken !== undefined) throw badText(path, `is not YAML (${broken.message.split('\n')[0]})`);
  const given: unknown = document.toJS() ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw badText(path, 'must be rows of buttons by kind, as expired: [[{ … }]]');
  }
  for (const [kind, value] of Object.entries(given as object)) {
    if (!isNoticeKind(kind) || kinds[kind].to !== 'customer') {
      throw badText(path, `${kind}: is no kind of notice to a customer`);
    }
    const [issue] = rows.safeParse(value).error?.issues ?? [];
    if (issue === undefined) continue;
    throw badText(path, `${[kind, ...issue.path].join('.')}: ${issue.message}`);
  }
  return given as ButtonPlans;
}

function filled(pattern: string, subscriptionId: string): string {
  return pattern.replaceAll('{subscription_id}', subscriptionId);
}

/** The button for one reader. */
export function buttonOf(
  plan: ButtonPlan,
  label: string,
  subscriptionId: SubscriptionId | null,
): Button {
  const id = subscriptionId?.toString() ?? '';
  if ('url' in plan) return { text: label, url: filled(plan.url, id) };
  return { text: label, callbackData: filled(plan.callback_data, id) };
}
