import type { BulkAction, BulkJobState } from '../db/schema-bulk.ts';
import { UsageFault } from '../kernel/faults.ts';
import { isLocale } from '../kernel/locale.ts';
import { type FilterTexts, parseFilter } from '../subscription/queries/subscription-filter.ts';

// A bulk job: one change of all customers that a filter matches.
//
// 1. The creation selects the customers. A customer who matches later is not added.
// 2. The job processes each customer once. Batches commit the changes with their outcomes, so a
//    crash repeats nothing and loses nothing.
// 3. A batch reads the customers again under their locks. A customer who no longer matches is
//    skipped, with a reason.
// 4. A customer whose change fails by itself is `failed`, and the job continues.
// 5. Grants and switches change only active subscriptions, unless the filter names another state.

/** The change of each customer. */
export type BulkRequest =
  | { readonly action: 'grant'; readonly days: number }
  | { readonly action: 'auto_renew'; readonly isOn: boolean }
  /** The text by language. Other languages get the English text. */
  | { readonly action: 'announcement'; readonly texts: Readonly<Record<string, string>> };

export interface BulkJob {
  readonly id: bigint;
  readonly request: BulkRequest;
  readonly filter: FilterTexts;
  readonly actor: string;
  readonly state: BulkJobState;
  readonly total: bigint;
  readonly done: bigint;
  readonly skipped: bigint;
  readonly failed: bigint;
}

/** A text of Telegram has 4,096 characters, and an escaped text is longer. */
export const announcementMax = 3_000;

/** Lines and tabs are text. PostgreSQL stores no NUL and no half of a surrogate pair. */
const isStorable = (text: string): boolean =>
  text.isWellFormed() && /^[\P{Cc}\t\r\n]*$/u.test(text);

/** @throws UsageFault `bad_texts` */
export function requireValidTexts(texts: Readonly<Record<string, string>>): void {
  const createFault = (sentence: string) => new UsageFault('bad_texts', `texts: ${sentence}`);
  if (texts.en === undefined) {
    throw createFault('"en" is missing; expected the text for all languages without their own');
  }
  for (const [locale, text] of Object.entries(texts)) {
    if (!isLocale(locale))
      throw createFault(`"${locale}" is not a language; expected a code like ru`);
    if (text.trim() === '') throw createFault(`the text "${locale}" is empty`);
    if (!isStorable(text)) {
      throw createFault(`the text "${locale}" has a control character or half of a character`);
    }
    if (text.length > announcementMax) {
      throw createFault(
        `the text "${locale}" has ${text.length} characters; at most ${announcementMax} are allowed`,
      );
    }
  }
}

/** Rule 5. @throws UsageFault `no_filter`, `unknown_filter`, `bad_filter` */
export function toBulkFilter(action: BulkAction, texts: FilterTexts) {
  if (Object.keys(texts).length === 0) {
    throw new UsageFault(
      'no_filter',
      'where: the filter is empty; expected a condition like state=active',
    );
  }
  const state = action === 'announcement' ? {} : { state: 'active' };
  return parseFilter({ ...state, ...texts });
}

/** The parameters of a request, as a job stores and shows them. */
export function toStoredParams(request: BulkRequest): Record<string, unknown> {
  switch (request.action) {
    case 'grant':
      return { days: request.days };
    case 'auto_renew':
      return { auto_renew: request.isOn };
    case 'announcement':
      return { texts: request.texts };
  }
}

export function parseStoredRequest(
  action: BulkAction,
  params: Readonly<Record<string, unknown>>,
): BulkRequest {
  switch (action) {
    case 'grant':
      return { action, days: Number(params.days) };
    case 'auto_renew':
      return { action, isOn: params.auto_renew === true };
    case 'announcement':
      return { action, texts: params.texts as Record<string, string> };
  }
}

/** The text for a customer: `pt-BR`, else `pt`, else English. */
export const chooseAnnouncement = (
  texts: Readonly<Record<string, string>>,
  locale: string,
): string => texts[locale] ?? texts[locale.split('-')[0] ?? ''] ?? texts.en ?? '';
