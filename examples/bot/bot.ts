import { Bot, type Context, InlineKeyboard } from 'grammy';

// A shop on Telegram that sells through Perennial's HTTP API: start, trial, top-up, purchase,
// balance, auto-renewal, links. To begin from, not to run as it is: whoever taps "pay" is believed
// (`pay:`, below). There your payment provider comes in.
//
// Messages that tell of renewals, low balances and ends come from Perennial itself, by the same
// token: it only sends, this bot reads. So nothing here remembers anybody.

export interface Shop {
  /** Of BotFather. */
  readonly botToken: string;
  readonly botApi?: string;
  /** `http://127.0.0.1:8080`, and a token of `perennial token create shop --scope sell`. */
  readonly perennial: { readonly url: string; readonly token: string };
  /** Where customers' clients reach `/sub/…`. */
  readonly publicUrl: string;
}

/** What Perennial refused: `type` is for us, `message` is for the customer. */
class Refusal extends Error {
  readonly type: string;
  constructor({ type, detail }: { type: string; detail: string }) {
    super(detail);
    this.type = type;
  }
}

interface Subscription {
  id: number;
  plan: string;
  kind: string;
  state: string;
  expires_at: string;
  auto_renew: boolean;
}
interface Customer {
  balance: string;
  currency: string;
  sub_token: string;
  subscriptions: Subscription[];
  links: { link: string | null }[];
}
interface Plan {
  key: string;
  title: Record<string, string>;
  prices: { period_days: number; amount: string; currency: string }[];
}

export function makeBot(shop: Shop): Bot {
  const bot = new Bot(shop.botToken, shop.botApi ? { client: { apiRoot: shop.botApi } } : {});

  /** One request. `key` names the tap that it is for: asked again, it is done once all the same. */
  async function ask<T>(method: string, path: string, key?: string, body?: object): Promise<T> {
    const response = await fetch(`${shop.perennial.url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${shop.perennial.token}`,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const answer = await response.json();
    if (!response.ok) throw new Refusal(answer as { type: string; detail: string });
    return answer as T;
  }

  const who = (ctx: Context): number => ctx.from?.id ?? 0;
  const isRussian = (ctx: Context): boolean => ctx.from?.language_code?.startsWith('ru') ?? false;
  const say = (ctx: Context, en: string, ru: string): string => (isRussian(ctx) ? ru : en);
  const customerOf = (ctx: Context) => ask<Customer>('GET', `/customers/${who(ctx)}`);
  const keyOf = (ctx: Context): string => `tg-${ctx.update.update_id}`; // a tap is one request
  const day = (ctx: Context, iso: string): string =>
    new Date(iso).toLocaleDateString(isRussian(ctx) ? 'ru' : 'en', { dateStyle: 'long' });

  const menu = (ctx: Context): InlineKeyboard =>
    new InlineKeyboard()
      .text(say(ctx, '🎁 Try for free', '🎁 Попробовать'), 'trial')
      .text(say(ctx, '🛒 Buy', '🛒 Купить'), 'buy')
      .row()
      .text(say(ctx, '💰 Balance', '💰 Баланс'), 'balance')
      .text(say(ctx, '➕ Top up', '➕ Пополнить'), 'top-up')
      .row()
      .text(say(ctx, '🔁 Auto-renewal', '🔁 Автопродление'), 'renewal')
      .text(say(ctx, '🔗 My links', '🔗 Мои ссылки'), 'links');
  const tell = (ctx: Context, text: string, buttons = menu(ctx)) =>
    ctx.reply(text, { reply_markup: buttons });

  // The tap is seen: Telegram's clock on the button stops.
  bot.on('callback_query', async (ctx, next) => {
    await ctx.answerCallbackQuery();
    await next();
  });

  bot.command('start', async (ctx) => {
    const known = { telegram_id: who(ctx), locale: isRussian(ctx) ? 'ru' : 'en' };
    await ask('POST', '/customers', undefined, known).catch(async (error: unknown) => {
      if (!(error instanceof Refusal) || !error.type.endsWith(':customer_exists')) throw error;
      // Somebody who had blocked the bot is back: messages get through again.
      await ask('PATCH', `/customers/${who(ctx)}`, undefined, { reachable: true });
    });
    await tell(ctx, say(ctx, 'Welcome! What shall it be?', 'Добро пожаловать! Что выберете?'));
  });

  bot.callbackQuery('trial', async (ctx) => {
    const trial = await ask<{ ends_at: string }>(
      'POST',
      `/customers/${who(ctx)}/trial`,
      keyOf(ctx),
    );
    const until = day(ctx, trial.ends_at);
    await tell(ctx, say(ctx, `It runs until ${until}.`, `Пробный период до ${until}.`));
  });

  bot.callbackQuery('buy', async (ctx) => {
    const { items } = await ask<{ items: Plan[] }>('GET', `/plans?telegram_id=${who(ctx)}`);
    const buttons = new InlineKeyboard();
    for (const { key, title, prices } of items) {
      const name = title[isRussian(ctx) ? 'ru' : 'en'] ?? Object.values(title)[0] ?? key;
      for (const { period_days: days, amount, currency } of prices) {
        const label = `${name} · ${days} ${say(ctx, 'days', 'дн.')} · ${amount} ${currency}`;
        buttons.text(label, `buy:${key}:${days}:${amount}`).row();
      }
    }
    await tell(ctx, say(ctx, 'Choose:', 'Выберите:'), buttons);
  });

  // The button names the price that its customer saw: should it have changed, nothing is bought.
  bot.callbackQuery(/^buy:([^:]+):(\d+):([\d.]+)$/, async (ctx) => {
    const [, plan, days, price] = ctx.match as unknown as string[];
    const order = { plan, period_days: Number(days), price };
    const path = `/customers/${who(ctx)}/purchases`;
    const bought = await ask<{ ends_at: string; balance: string }>('POST', path, keyOf(ctx), order);
    const until = day(ctx, bought.ends_at);
    await tell(ctx, say(ctx, `Done: it runs until ${until}.`, `Готово: действует до ${until}.`));
  });

  bot.callbackQuery('balance', async (ctx) => {
    const { balance, currency, subscriptions } = await customerOf(ctx);
    const lines = subscriptions
      .filter(({ state }) => state === 'active')
      .map(({ plan, expires_at }) => `${plan}: ${say(ctx, 'until', 'до')} ${day(ctx, expires_at)}`);
    await tell(ctx, [`${balance} ${currency}`, ...lines].join('\n'));
  });

  bot.callbackQuery('top-up', async (ctx) => {
    const buttons = new InlineKeyboard();
    for (const sum of [200, 500, 1000]) buttons.text(`${sum}`, `pay:${sum}`);
    await tell(ctx, say(ctx, 'How much?', 'На сколько пополнить?'), buttons);
  });

  // Stands for a provider. A real one calls you when the money is there: credit it then, with the
  // provider's own reference, and it is credited once however often you are called.
  bot.callbackQuery(/^pay:(\d+)$/, async (ctx) => {
    const [, amount] = ctx.match;
    const payment = { amount, provider: 'pretended', provider_ref: ctx.callbackQuery.id };
    const path = `/customers/${who(ctx)}/top-ups`;
    const { balance } = await ask<{ balance: string }>('POST', path, keyOf(ctx), payment);
    await tell(ctx, say(ctx, `Your balance is ${balance}.`, `Ваш баланс: ${balance}.`));
  });

  bot.callbackQuery('renewal', async (ctx) => {
    const { subscriptions } = await customerOf(ctx);
    const buttons = new InlineKeyboard();
    for (const { id, plan, kind, state, auto_renew } of subscriptions) {
      if (kind !== 'paid' || state === 'revoked') continue;
      const now = auto_renew ? say(ctx, 'on', 'включено') : say(ctx, 'off', 'выключено');
      buttons.text(`${plan} #${id}: ${now}`, `renewal:${id}:${!auto_renew}`).row();
    }
    await tell(ctx, say(ctx, 'Tap to switch:', 'Нажмите, чтобы переключить:'), buttons);
  });

  bot.callbackQuery(/^renewal:(\d+):(true|false)$/, async (ctx) => {
    const on = ctx.match[2] === 'true';
    await ask('PATCH', `/subscriptions/${ctx.match[1]}`, undefined, { auto_renew: on });
    await tell(ctx, on ? say(ctx, 'On.', 'Включено.') : say(ctx, 'Off.', 'Выключено.'));
  });

  bot.callbackQuery('links', async (ctx) => {
    const { sub_token, links } = await customerOf(ctx);
    const all = links.flatMap(({ link }) => (link === null ? [] : [link]));
    await tell(ctx, [`${shop.publicUrl}/sub/${sub_token}`, ...all].join('\n\n'));
  });

  bot.catch(async ({ error, ctx }) => {
    if (error instanceof Refusal) return void (await tell(ctx, error.message));
    process.stderr.write(`${(error as Error).message}\n`);
    await tell(ctx, say(ctx, 'Please try again in a moment.', 'Попробуйте ещё раз чуть позже.'));
  });
  return bot;
}

if (import.meta.main) {
  const { BOT_TOKEN = '', PERENNIAL_URL = '', PERENNIAL_TOKEN = '', PUBLIC_URL } = process.env;
  const perennial = { url: PERENNIAL_URL, token: PERENNIAL_TOKEN };
  await makeBot({ botToken: BOT_TOKEN, perennial, publicUrl: PUBLIC_URL ?? PERENNIAL_URL }).start();
}
