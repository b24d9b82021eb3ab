import type { Command } from 'commander';
import { toNoticeSettings } from '../../../config/settings.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import type { MessageButton } from '../../../notifications/channels/channel.ts';
import { createForms, sampleTitle } from '../../../notifications/texts/samples.ts';
import { openTexts, type RenderedNotice, type Texts } from '../../../notifications/texts.ts';
import { type NoticeKind, noticeKinds, noticeSpecs } from '../../../outbox/kinds.ts';
import { parseNoticeKind, parseTimeZone } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  printResult,
  withDatabase,
} from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';

interface Options extends CommonOptions {
  readonly locale: string;
  readonly zone: string;
}

/**
 * `perennial notice preview KIND`: the texts with example values, also those of the operator's
 * folder. It needs no database, so texts can be written anywhere.
 */
export function buildNoticePreviewCommand(open: DatabaseOpener): Command {
  return buildCommand('preview', 'print the texts of notifications with example values')
    .argument('[KIND]', 'print only this kind [all]', parseNoticeKind)
    .option('--locale <CODE>', 'print the texts in this language', 'en')
    .option('--zone <ZONE>', 'format times in this zone, like Europe/Moscow', parseTimeZone, 'UTC')
    .action(async (kind: NoticeKind | undefined, options: Options) => {
      const { folder } = toNoticeSettings(readConfiguration(options));
      if (options.now !== undefined) await withDatabase(open, options, async () => undefined);
      const texts = openTexts({ folder });
      checkReader(texts, options);
      const previews = (kind === undefined ? noticeKinds : [kind]).flatMap((each) =>
        renderPreviews(texts, each, options),
      );
      printResult(options, previews, () => previews.map(formatPreview).join('\n\n'));
    });
}

/** @throws UsageFault */
function checkReader({ locales }: Texts, { locale }: Options): void {
  if (!locales.some((each) => each === locale || each === locale.split('-')[0])) {
    const available = locales.join(', ');
    throw new UsageFault(
      'no_locale',
      `--locale: "${locale}" is not a language of the texts; available: ${available}`,
    );
  }
}

interface Preview extends RenderedNotice {
  readonly kind: NoticeKind;
}

/** One preview for each form that differs by more than a number. */
function renderPreviews(texts: Texts, kind: NoticeKind, { locale, zone }: Options): Preview[] {
  return createForms(kind).map((params) => {
    const request = { kind, params, planTitle: sampleTitle };
    const rendered = texts.render(request, { locale, timeZone: zone });
    return { kind, to: noticeSpecs[kind].to, ...rendered };
  });
}

function formatPreview({ kind, subject, html, buttons }: Preview): string {
  const rows = buttons.map((row) => row.map(formatButton).join(' '));
  return [`── ${kind}: ${subject}`, html, ...rows].join('\n');
}

const formatButton = (button: MessageButton): string =>
  `[${button.text} → ${'url' in button ? button.url : button.callbackData}]`;
