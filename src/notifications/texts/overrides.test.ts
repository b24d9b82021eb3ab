import { describe, expect, test } from 'vitest';
import { openTextsFrom } from '../../../test/support/text-folder.ts';
import { noticeKinds } from '../../outbox/kinds.ts';
import type { RenderRequest } from '../texts.ts';
import { createSamples, sampleTitle } from './samples.ts';

const reader = (locale: string) => ({ locale, timeZone: 'Europe/Moscow' });
const request: RenderRequest = {
  kind: 'receipt',
  params: createSamples('receipt')[0] ?? {},
  planTitle: sampleTitle,
};

describe("an operator's folder", () => {
  test('replaces single texts, and a text keeps its earlier subject', () => {
    const own = openTextsFrom({ 'en.ftl': 'receipt = Thanks for { $amount }!\n' });
    const receipt = own.render(request, reader('en'));
    expect(receipt.html).toBe('Thanks for ₽149!');
    expect(receipt.subject).toBe('Receipt: ₽149 for Basic');
    expect(own.render(request, reader('ru')).html).toContain('Оплачено');
  });

  test('has parts that several of its texts share', () => {
    const own = openTextsFrom({
      'en.ftl': '-shop = Acme\nreceipt = { -shop }: { button_buy }\n    .subject = { -shop }\n',
    });
    expect(own.render(request, reader('en'))).toMatchObject({
      html: 'Acme: Buy',
      subject: 'Acme',
    });
  });

  test('has parts that are given a word, or choose another one without it', () => {
    const own = openTextsFrom({
      'en.ftl': `
-shop = { $form ->
    [short] Ac
   *[long] Acme
}
-thanks = Thanks, { $who }!
receipt = { -shop } { -shop(form: "short") } { -thanks(who: "friend") }
button_buy = Buy at { -shop }
`,
    });
    expect(own.render(request, reader('en')).html).toBe('Acme Ac Thanks, friend!');
    const { buttons } = own.render({ kind: 'trial_48h', params: {} }, reader('en'));
    expect(buttons[0]?.[0]?.text).toBe('Buy at Acme');
  });

  test('has another language, once it is complete', () => {
    const all = [...noticeKinds.map((kind) => `${kind} = x\n    .subject = y`), 'button_buy = b']
      .concat(['button_renew = r', 'button_top_up = t', 'button_choose = c'])
      .join('\n');
    const own = openTextsFrom({ 'pt-BR.ftl': all });
    expect(own.locales).toEqual(['en', 'ru', 'pt-BR']);
    expect(own.render(request, reader('pt-BR'))).toMatchObject({ locale: 'pt-BR', html: 'x' });
    expect(own.render(request, reader('pt-PT')).locale).toBe('en');
  });

  test('has its own buttons: pages, data for the bot, or none', () => {
    const own = openTextsFrom({
      'buttons.yaml': `
low_balance:
  - [{ text: button_top_up, url: "https://pay.example/?s={subscription_id}" }]
  - [{ text: button_buy, callback_data: "shop" }, { text: button_mine, callback_data: "m:{subscription_id}" }]
trial_48h: []
`,
      'en.ftl': 'button_mine = Mine\n',
      'ru.ftl': 'button_mine = Моё\n',
    });
    const buttons = (kind: 'low_balance' | 'trial_48h' | 'expired', id: bigint | null) =>
      own.render(
        { kind, params: {}, subscriptionId: id as RenderRequest['subscriptionId'] & bigint },
        reader('en'),
      ).buttons;
    expect(buttons('low_balance', 7n)).toEqual([
      [{ text: 'Top up', url: 'https://pay.example/?s=7' }],
      [
        { text: 'Buy', callbackData: 'shop' },
        { text: 'Mine', callbackData: 'm:7' },
      ],
    ]);
    expect(buttons('trial_48h', 7n)).toEqual([]);
    expect(buttons('expired', null)).toEqual([[{ text: 'Renew', callbackData: 'perennial:buy:' }]]);
  });
});
