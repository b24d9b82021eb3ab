import type { Command } from 'commander';
import { noticesOf } from '../config.ts';
import { UsageFault } from '../kernel/faults.ts';
import { kinds, type NoticeKind, noticeKinds } from '../notify/kinds.ts';
import type { Button } from '../notify/texts/buttons.ts';
import { formsOf, sampleTitle } from '../notify/texts/samples.ts';
import { openTexts, type Rendered, type Texts } from '../notify/texts.ts';
import { noticeKind, timeZone } from './arguments.ts';
import { readConfiguration } from './configuration.ts';
import { type CommonOptions, command, type OpenBooks, print, withBooks } from './frame.ts';

interface Options extends CommonOptions {
  readonly locale: string;
  readonly zone: string;
}

/**
 * `perennial notice preview KIND`: made-up values, the texts as they are, also those of the
 * operator's folder. Needs no database, so texts can be written anywhere.
 */
export function previewCommand(open: OpenBooks): Command {
  return command('preview', 'how messages read, with made-up values')
    .argument('[KIND]', 'which; else all of them', noticeKind)
    .option('--locale <CODE>', 'in which language', 'en')
    .option('--zone <ZONE>', 'by whose clock, as Europe/Moscow', timeZone, 'UTC')
    .action(async (kind: NoticeKind | undefined, options: Options) => {
      const { folder } = noticesOf(readConfiguration(options));
      if (options.now !== undefined) await withBooks(open, options, async () => undefined);
      const texts = openTexts({ folder });
      checkReader(texts, options);
      const previews = (kind === undefined ? noticeKinds : [kind]).flatMap((each) =>
        previewsOf(texts, each, options),
      );
      print(options, previews, () => previews.map(text).join('\n\n'));
    });
}

/** @throws UsageFault */
function checkReader({ locales }: Texts, { locale }: Options): void {
  if (!locales.some((each) => each === locale || each === locale.split('-')[0])) {
    const there = locales.join(', ');
    throw new UsageFault('no_locale', `--locale: there are no texts in "${locale}"; in ${there}`);
  }
}

interface Preview extends Rendered {
  readonly kind: NoticeKind;
}

/** One for each form that differs by more than a number. */
function previewsOf(texts: Texts, kind: NoticeKind, { locale, zone }: Options): Preview[] {
  return formsOf(kind).map((params) => {
    const said = { kind, params, planTitle: sampleTitle };
    const rendered = texts.render(said, { locale, timeZone: zone });
    return { kind, to: kinds[kind].to, ...rendered };
  });
}

function text({ kind, subject, html, buttons }: Preview): string {
  const rows = buttons.map((row) => row.map(buttonText).join(' '));
  return [`── ${kind}: ${subject}`, html, ...rows].join('\n');
}

const buttonText = (button: Button): string =>
  `[${button.text} → ${'url' in button ? button.url : button.callbackData}]`;
