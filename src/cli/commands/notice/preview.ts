import type { Command } from 'commander';
import { toNoticeSettings } from '../../../config/settings.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import type { MessageButton } from '../../../notifications/channels/channel.ts';
import { createForms, sampleTitle } from '../../../notifications/texts/samples.ts';
import { openTexts, type RenderedNotice, type Texts } from '../../../notifications/texts.ts';
import { type NoticeKind, noticeKinds, noticeSpecs } from '../../../outbox/kinds.ts';
import { parseNoticeKind, timeZone } from '../../arguments.ts';
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
 * `perennial notice preview KIND`: made-up values, the texts as they are, also those of the
 * operator's folder. Needs no database, so texts can be written anywhere.
 */
export function buildNoticePreviewCommand(open: DatabaseOpener): Command {
  return buildCommand('preview', 'how messages read, with made-up values')
    .argument('[KIND]', 'which; else all of them', parseNoticeKind)
    .option('--locale <CODE>', 'in which language', 'en')
    .option('--zone <ZONE>', 'by whose clock, as Europe/Moscow', timeZone, 'UTC')
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
      `--locale: there are no texts in "${locale}"; in ${available}`,
    );
  }
}

interface Preview extends RenderedNotice {
  readonly kind: NoticeKind;
}

/** One for each form that differs by more than a number. */
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
