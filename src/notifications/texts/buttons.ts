import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isNoticeKind, type NoticeKind, noticeSpecs } from '../../outbox/kinds.ts';
import type { MessageButton } from '../channels/channel.ts';
import { createTextFault } from './fluent.ts';
import { isPageUrl } from './html.ts';

// The buttons of each kind of notification. Their labels are texts of each language.

export type ButtonTemplate = z.output<typeof buttonSchema>;
export type ButtonTemplates = Partial<Record<NoticeKind, readonly (readonly ButtonTemplate[])[]>>;

/** Telegram's limit. */
const callbackBytesMax = 64;
const longestId = '9'.repeat(19);

const textName = z.string().regex(/^button_\w+$/, 'is not the name of a text; expected button_…');
const fitsCallback = (data: string) =>
  Buffer.byteLength(fillTemplate(data, longestId)) <= callbackBytesMax && data !== '';
const callbackMessage = `is empty or too long; expected 1 to ${callbackBytesMax} bytes with an id of 19 digits`;
const isUrl = (url: string) => isPageUrl(fillTemplate(url, longestId));
const formatUrlMessage = ({ input }: { readonly input?: unknown }) =>
  `"${input}" is not the URL of a page; expected https://… of a host with a dot, or tg://…`;

const buttonSchema = z.union(
  [
    z.strictObject({ text: textName, url: z.string().refine(isUrl, { error: formatUrlMessage }) }),
    z.strictObject({
      text: textName,
      callback_data: z.string().refine(fitsCallback, callbackMessage),
    }),
  ],
  {
    error:
      'is not a button; expected { text: button_NAME, url: https://… } or { text: button_NAME, callback_data: … }',
  },
);
const rowsSchema = z.array(
  z.array(buttonSchema, 'is not a row; expected a list of buttons'),
  'is not a list of rows; expected [[{ … }]]',
);

/** @throws UsageFault that names the file, the kind and the allowed values */
export function readButtons(path: string, source: string): ButtonTemplates {
  const document = parseDocument(source);
  const [broken] = document.errors;
  if (broken !== undefined)
    throw createTextFault(path, `is not YAML (${broken.message.split('\n')[0]})`);
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw createTextFault(
      path,
      'is not a mapping; expected rows of buttons by kind, as expired: [[{ … }]]',
    );
  }
  for (const [kind, value] of Object.entries(content as object)) {
    if (!isNoticeKind(kind) || noticeSpecs[kind].to !== 'customer') {
      throw createTextFault(path, `${kind}: is not a kind of notification to a customer`);
    }
    const [issue] = rowsSchema.safeParse(value).error?.issues ?? [];
    if (issue === undefined) continue;
    throw createTextFault(path, `${[kind, ...issue.path].join('.')}: ${issue.message}`);
  }
  return content as ButtonTemplates;
}

function fillTemplate(pattern: string, subscriptionId: string): string {
  return pattern.replaceAll('{subscription_id}', subscriptionId);
}

/** The button for one reader. */
export function createButton(
  template: ButtonTemplate,
  label: string,
  subscriptionId: SubscriptionId | null,
): MessageButton {
  const id = subscriptionId?.toString() ?? '';
  if ('url' in template) return { text: label, url: fillTemplate(template.url, id) };
  return { text: label, callbackData: fillTemplate(template.callback_data, id) };
}
