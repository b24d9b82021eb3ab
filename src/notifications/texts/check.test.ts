import { describe, expect, test } from 'vitest';
import { openTextsFrom } from '../../../test/support/text-folder.ts';
import { openTexts } from '../texts.ts';

describe('a wrong text is found at the start, with file, text, language and the available names', () => {
  test.each([
    [
      'an unknown text',
      { 'en.ftl': 'reciept = x' },
      /en\.ftl: reciept \(en\) is not a text; available: receipt, /,
    ],
    [
      'an unknown part',
      { 'en.ftl': 'receipt = x\n    .title = y' },
      /en\.ftl: receipt\.title \(en\) is not a text/,
    ],
    [
      'an unknown value',
      { 'ru.ftl': 'receipt = { $amont }' },
      /ru\.ftl: receipt \(ru\) names \$amont; available: \$amount, /,
    ],
    [
      'an unknown value in a form that is rare',
      { 'ru.ftl': 'grant = { $days ->\n    [17] { $hours }\n   *[other] x\n }' },
      /ru\.ftl: grant \(ru\) names \$hours/,
    ],
    [
      'an unknown text inside',
      { 'en.ftl': 'receipt = { -shop }' },
      /receipt \(en\) names -shop, which does not exist/,
    ],
    [
      'a function that is not there',
      { 'en.ftl': 'receipt = { DATETIME($ends_at) }' },
      /names DATETIME\(\), which does not exist/,
    ],
    [
      'a placeable that is not closed',
      { 'en.ftl': '\nreceipt = { $amount' },
      /en\.ftl: line 2: receipt \(en\) is broken/,
    ],
    [
      'a select without a default',
      { 'en.ftl': 'grant = { $days ->\n  [one] x\n }' },
      /en\.ftl: line 1: grant \(en\) is broken/,
    ],
    [
      'a line that is no text',
      { 'en.ftl': 'receipt: hello' },
      /en\.ftl: line 1: "receipt: hello" does not begin a text/,
    ],
    [
      'the same text twice',
      { 'en.ftl': 'grant = a\ngrant = b' },
      /en\.ftl: line 2: grant \(en\) is given twice/,
    ],
    ['a text that is empty', { 'en.ftl': 'grant = { "" }' }, /grant \(en\) is empty/],
    [
      'a tag that is not closed',
      { 'en.ftl': 'grant = <b>x' },
      /grant \(en\) has <b> without its <\/b>/,
    ],
    ['tags that cross', { 'en.ftl': 'grant = <b><i>x</b></i>' }, /has <\/b> without its <b>/],
    [
      'a tag that Telegram refuses',
      { 'en.ftl': 'grant = <h1>x</h1>' },
      /has <h1>, which Telegram doesn't know/,
    ],
    ['a bare <', { 'en.ftl': 'grant = 1 < 2' }, /has a "<" that is no tag; write &lt;/],
    [
      'HTML in a subject',
      { 'en.ftl': 'grant = x\n    .subject = <b>x</b>' },
      /grant\.subject \(en\) has <b>: a subject is plain/,
    ],
    [
      'a text that names itself',
      { 'en.ftl': 'grant = { grant }' },
      /grant \(en\) cannot be rendered: Cyclic/,
    ],
    [
      'a language that lacks a text',
      { 'de.ftl': 'receipt = x\n    .subject = y' },
      /de\.ftl: low_balance \(de\) is missing/,
    ],
    [
      'a language without a subject',
      { 'de.ftl': 'receipt = x' },
      /de\.ftl: receipt\.subject \(de\) is missing/,
    ],
    [
      'a file of no language',
      { 'german.ftl': '' },
      /german\.ftl: is not a file of texts; expected en\.ftl, pt-BR\.ftl or buttons\.yaml/,
    ],
    ['a file that is misspelt', { 'button.yml': '' }, /button\.yml: is not a file of texts/],
    [
      'a button with a value',
      { 'en.ftl': 'button_buy = { $plan }' },
      /button_buy \(en\) names \$plan; a button's text has no values/,
    ],
    ['buttons that are no YAML', { 'buttons.yaml': '{' }, /buttons\.yaml: is not YAML/],
    [
      'buttons of no kind',
      { 'buttons.yaml': 'receit: []' },
      /buttons\.yaml: receit: is not a kind of notification to a customer/,
    ],
    [
      'buttons of an alarm',
      { 'buttons.yaml': 'alarm_over: []' },
      /alarm_over: is not a kind of notification to a customer/,
    ],
    ['buttons that are no rows', { 'buttons.yaml': 'grant: 1' }, /grant: is not a list of rows/],
    [
      'a button of no shape',
      { 'buttons.yaml': 'grant: [[{ text: button_buy }]]' },
      /grant\.0\.0: is not a button; expected \{ text: button_NAME, url/,
    ],
    [
      'a button of both shapes',
      { 'buttons.yaml': 'grant: [[{ text: button_buy, url: "https://x", callback_data: x }]]' },
      /grant\.0\.0: is not a button/,
    ],
    [
      'data that Telegram refuses',
      {
        'buttons.yaml': `grant: [[{ text: button_buy, callback_data: "${'x'.repeat(46)}{subscription_id}" }]]`,
      },
      /grant\.0\.0\.callback_data: is empty or too long; expected 1 to 64 bytes/,
    ],
    [
      'a page that is none',
      { 'buttons.yaml': 'grant: [[{ text: button_buy, url: "javascript:x" }]]' },
      /grant\.0\.0\.url: "javascript:x" is not the URL of a page; expected https:\/\/…/,
    ],
    [
      'a page of this machine, which Telegram refuses',
      { 'buttons.yaml': 'grant: [[{ text: button_buy, url: "http://localhost/pay" }]]' },
      /grant\.0\.0\.url: "http:\/\/localhost\/pay" is not the URL of a page; expected .* of a host with a dot/,
    ],
    [
      'a button without a label',
      { 'ru.ftl': 'button_buy = { "" }' },
      /ru\.ftl: button_buy \(ru\) is empty; expected a text for the button/,
    ],
    [
      'HTML on a button',
      { 'en.ftl': 'button_buy = <b>Buy</b>' },
      /button_buy \(en\) has <b>: a button's text is plain text/,
    ],
    [
      'a text of nothing but tags',
      { 'en.ftl': 'receipt = <b></b>' },
      /receipt \(en\) shows nothing: "<b><\/b>" is no more than tags/,
    ],
    [
      'a text that is longer than a message',
      { 'en.ftl': `receipt = ${'x'.repeat(4_097)}` },
      /receipt \(en\) is 4097 characters long with the longest values; Telegram takes 4096/,
    ],
    [
      'a text that a long name makes longer',
      { 'en.ftl': `receipt = ${'x'.repeat(3_596)}{ $plan }` },
      /receipt \(en\) is 4097 characters long/,
    ],
    [
      'a spoiler without its class',
      { 'en.ftl': 'receipt = <span>x</span>' },
      /receipt \(en\) has <span>: it needs class="tg-spoiler"/,
    ],
    [
      'a link to nowhere',
      { 'en.ftl': 'receipt = <a href="pay">x</a>' },
      /receipt \(en\) has <a href="pay">: it needs href="https:/,
    ],
    [
      'a character that only browsers know',
      { 'en.ftl': 'receipt = a&nbsp;b' },
      /receipt \(en\) has &nbsp;, which Telegram doesn't know: &amp;, &lt;/,
    ],
    [
      'a value in a shared part, which has no values',
      { 'en.ftl': '-brand = Acme { $plan }\nreceipt = { -brand }' },
      /en\.ftl: receipt \(en\) names -brand, which shows \$plan: a part has only the values/,
    ],
    [
      'a part that names what is not there',
      { 'en.ftl': '-brand = { -shop }' },
      /en\.ftl: -brand \(en\) names -shop, which does not exist/,
    ],
    [
      'a value that another text names',
      { 'en.ftl': 'receipt = { grant }' },
      /receipt \(en\) names \$days; available: \$amount/,
    ],
    [
      'a button that no text labels',
      {
        'buttons.yaml': 'grant: [[{ text: button_new, callback_data: x }]]',
        'en.ftl': 'button_new = x',
      },
      /ru\.ftl: button_new \(ru\) is missing/,
    ],
  ])('%s', (_, files, expected) => {
    expect(() => openTextsFrom(files as Record<string, string>)).toThrow(expected);
  });

  test('a missing folder is refused', () => {
    expect(() => openTexts({ folder: '/nowhere/at/all' })).toThrow(
      '/nowhere/at/all: is not a folder',
    );
  });
});
