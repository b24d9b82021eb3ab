import { Bot, type Context, InlineKeyboard } from 'grammy';

// A shop on Telegram over Perennial's HTTP API. Use it as a start, not as it is: its payment is
// pretended (`pay:`, below). Three rules keep it safe; keep them in your own version:
// 1. A tap can carry any data, also data of no button of ours. So each path names the sender, and
//    Perennial answers 404 for what belongs to another customer.
// 2. A tap can come twice. So the key of a request names the message and the button. The second tap
//    gets the first answer, and nothing is done again.
// 3. A button can be old. So a purchase names the price and the end that the customer saw.
//    Perennial refuses the purchase if one of them has changed.
//
// Perennial sends its own messages with the same bot token. This bot stores nothing.

export interface Shop {
  readonly botToken: string;
  readonly botApi?: string;
  /** `http://127.0.0.1:8080`, and a token of `perennial token create shop --scope sell`. */
  readonly perennial: { readonly url: string; readonly token: string };
  /** The origin at which the clients of customers read `/sub/…`. */
  readonly publicUrl: string;
}

/** A refusal by Perennial. `code` is for programs, and `message` is for a person. */
class Refusal extends Error {
  code = '';
}

interface Subscription extends Record<'plan' | 'kind' | 'state' | 'expires_at', string> {
  id: number;
  auto_renew: boolean;
}
interface Customer extends Record<'balance' | 'currency' | 'sub_token', string> {
  subscriptions: Subscription[];
  links: { link: string | null }[];
}
interface Plan {
  key: string;
  title: Record<string, string>;
  prices: { period_days: number; amount: string; currency: string }[];
}

/** Telegram's limits: bytes of a button's data, buttons of a message, characters of a message. */
const [dataMax, buttonsMax, textMax] = [64, 100, 4_096];
const sums = [200, 500, 1000];
const log = (error: unknown) => process.stderr.write(`${(error as Error).message}\n`);

export function makeBot(shop: Shop): Bot {
  const bot = new Bot(shop.botToken, shop.botApi ? { client: { apiRoot: shop.botApi } } : {});

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
    const answer = (await response.json()) as T & { type: string; detail: string };
    if (response.ok) return answer;
    const code = answer.type.replace('urn:perennial:problem:', '');
    throw Object.assign(new Refusal(answer.detail), { code });
  }

  /** The path of the sender. A path never takes a customer from the data of a tap (rule 1). */
  const me = (ctx: Context): string => `/customers/${ctx.from?.id ?? 0}`;
  const customerOf = (ctx: Context) => ask<Customer>('GET', me(ctx));
  const isRussian = (ctx: Context): boolean => ctx.from?.language_code?.startsWith('ru') ?? false;
  const say = (ctx: Context, en: string, ru: string): string => (isRussian(ctx) ? ru : en);
  const day = (ctx: Context, iso: string): string =>
    new Date(iso).toLocaleDateString(isRussian(ctx) ? 'ru' : 'en', { dateStyle: 'long' });

  /** One key for each button of a message, for any number of taps (rule 2). */
  function keyOf(ctx: Context): string {
    const tap = ctx.callbackQuery;
    return `tg-${ctx.chat?.id}-${tap?.message?.message_id ?? tap?.id}-${tap?.data}`;
  }

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
  const reply = (ctx: Context, text: string, buttons = menu(ctx)) =>
    ctx.reply(text.slice(0, textMax), { reply_markup: buttons });

  // Purchases are private. In a group the bot sends nothing.
  const shopBot = bot.filter((ctx) => ctx.chat?.type === 'private');

  // Ends the progress animation of the button. A tap can be too old for that, which is no fault.
  shopBot.on('callback_query', async (ctx, next) => {
    await ctx.answerCallbackQuery().catch(log);
    await next();
  });

  shopBot.command('start', async (ctx) => {
    const customer = { telegram_id: ctx.from?.id, locale: isRussian(ctx) ? 'ru' : 'en' };
    await ask('POST', '/customers', undefined, customer).catch(async (error: unknown) => {
      if (!(error instanceof Refusal) || error.code !== 'customer_exists') throw error;
      // The customer no longer blocks the bot, so messages arrive again.
      await ask('PATCH', me(ctx), undefined, { reachable: true });
    });
    await reply(ctx, say(ctx, 'Welcome! What shall it be?', 'Добро пожаловать! Что выберете?'));
  });

  shopBot.callbackQuery('trial', async (ctx) => {
    const trial = await ask<{ ends_at: string }>('POST', `${me(ctx)}/trial`, keyOf(ctx));
    const until = day(ctx, trial.ends_at);
    await reply(ctx, say(ctx, `It runs until ${until}.`, `Пробный период до ${until}.`));
  });

  // `perennial:buy:ID` is the button under Perennial's own messages; ID can be empty.
  shopBot.callbackQuery(/^(?:buy|perennial:buy:(\d*)|buy-(new))$/, async (ctx) => {
    const [, id, isNew] = ctx.match;
    const all = (await customerOf(ctx)).subscriptions.filter(({ state }) => state !== 'revoked');
    if (isNew || all.length === 0) return offer(ctx, undefined, isNew ? 'new' : 'first');
    const one = all.length === 1 ? all[0] : all.find((each) => String(each.id) === id);
    if (one) return offer(ctx, one, `${one.id}:${Date.parse(one.expires_at).toString(36)}`);
    const buttons = new InlineKeyboard();
    for (const { id: each, plan, expires_at } of all.slice(-buttonsMax + 1)) {
      buttons.text(`${plan} #${each} · ${day(ctx, expires_at)}`, `perennial:buy:${each}`).row();
    }
    buttons.text(say(ctx, 'Another one', 'Ещё одну'), 'buy-new');
    return reply(ctx, say(ctx, 'Which one?', 'Какую подписку?'), buttons);
  });

  /** Prices for one subscription. Each button carries what the customer sees now (rule 3). */
  async function offer(ctx: Context, one: Subscription | undefined, seen: string) {
    const { items } = await ask<{ items: Plan[] }>('GET', `/plans?telegram_id=${ctx.from?.id}`);
    // Another plan for an active subscription begins with its next period.
    const running = one?.kind === 'paid' && one.state === 'active' ? one.plan : undefined;
    const buttons = items
      .flatMap(({ key, title, prices }) =>
        prices.map(({ period_days: days, amount, currency }) => ({
          text: `${running && key !== running ? say(ctx, 'Next: ', 'Затем: ') : ''}${title[isRussian(ctx) ? 'ru' : 'en'] ?? Object.values(title)[0] ?? key} · ${days} ${say(ctx, 'days', 'дн.')} · ${amount} ${currency}`,
          callback_data: `${running && key !== running ? 'next' : 'buy'}:${key}:${days}:${amount}:${seen}`,
        })),
      )
      .filter(({ callback_data }) => Buffer.byteLength(callback_data) <= dataMax)
      .slice(0, buttonsMax)
      .map((button) => [button]);
    if (buttons.length === 0) return reply(ctx, say(ctx, 'No plan is on sale.', 'Тарифов нет.'));
    return reply(ctx, say(ctx, 'Choose:', 'Выберите:'), InlineKeyboard.from(buttons));
  }

  const endOf = (shown = '') => new Date(Number.parseInt(shown, 36)).toISOString();
  /** The target of a purchase, and the end that the button showed. */
  function conditionsOf(seen: string | undefined): object {
    if (seen === undefined) return {};
    if (seen === 'new') return { new: true };
    if (seen === 'first') return { if_expires_at: null };
    const [id, end] = seen.split(':');
    return { subscription_id: Number(id), if_expires_at: endOf(end) };
  }

  const bought = /^buy:([a-z0-9_-]+):(\d{1,4}):([\d.]+)(?::(new|first|\d{1,16}:[a-z0-9]{1,9}))?$/;
  shopBot.callbackQuery(bought, async (ctx) => {
    const [, plan, days, price, seen] = ctx.match;
    const order = { plan, period_days: Number(days), price, ...conditionsOf(seen) };
    const path = `${me(ctx)}/purchases`;
    const { ends_at } = await ask<{ ends_at: string }>('POST', path, keyOf(ctx), order);
    const until = day(ctx, ends_at);
    await reply(ctx, say(ctx, `Done: it runs until ${until}.`, `Готово: действует до ${until}.`));
  });

  const chosenNext = /^next:([a-z0-9_-]+):(\d{1,4}):([\d.]+):(\d{1,16}):([a-z0-9]{1,9})$/;
  shopBot.callbackQuery(chosenNext, async (ctx) => {
    const [, plan, days, price, id, end] = ctx.match;
    const change = { next: { plan, period_days: Number(days) }, price, if_expires_at: endOf(end) };
    await ask('PATCH', `${me(ctx)}/subscriptions/${id}`, undefined, change);
    await reply(ctx, say(ctx, 'Done: with the next period.', 'Готово: со следующего периода.'));
  });

  shopBot.callbackQuery('balance', async (ctx) => {
    const { balance, currency, subscriptions } = await customerOf(ctx);
    const lines = subscriptions
      .filter(({ state }) => state === 'active')
      .map(({ plan, expires_at }) => `${plan}: ${say(ctx, 'until', 'до')} ${day(ctx, expires_at)}`);
    await reply(ctx, [`${balance} ${currency}`, ...lines].join('\n'));
  });

  // `perennial:top_up:ID` is the button under Perennial's own message about a low balance.
  shopBot.callbackQuery(/^(?:top-up|perennial:top_up:\d*)$/, async (ctx) => {
    const buttons = sums.map((sum) => ({ text: `${sum}`, callback_data: `pay:${sum}` }));
    await reply(ctx, say(ctx, 'How much?', 'Какая сумма?'), InlineKeyboard.from([buttons]));
  });

  // This replaces a payment provider, and gives money to each person who taps. A real provider
  // calls you after the payment. Credit the payment then, with the reference of the provider.
  shopBot.callbackQuery(new RegExp(`^pay:(${sums.join('|')})$`), async (ctx) => {
    const payment = { amount: ctx.match[1], provider: 'pretended', provider_ref: keyOf(ctx) };
    const { balance } = await ask<Customer>('POST', `${me(ctx)}/top-ups`, keyOf(ctx), payment);
    await reply(ctx, say(ctx, `Your balance is ${balance}.`, `Ваш баланс: ${balance}.`));
  });

  shopBot.callbackQuery('renewal', async (ctx) => {
    const { subscriptions } = await customerOf(ctx);
    const buttons = subscriptions
      .filter(({ kind, state }) => kind === 'paid' && state !== 'revoked')
      .slice(-buttonsMax)
      .map(({ id, plan, auto_renew: on }) => {
        const now = on ? say(ctx, 'on', 'включено') : say(ctx, 'off', 'выключено');
        return [{ text: `${plan} #${id}: ${now}`, callback_data: `renewal:${id}:${!on}` }];
      });
    await reply(ctx, say(ctx, 'Tap to switch:', 'Переключить:'), InlineKeyboard.from(buttons));
  });

  shopBot.callbackQuery(/^renewal:(\d{1,16}):(true|false)$/, async (ctx) => {
    const on = ctx.match[2] === 'true';
    await ask('PATCH', `${me(ctx)}/subscriptions/${ctx.match[1]}`, undefined, { auto_renew: on });
    await reply(ctx, on ? say(ctx, 'On.', 'Включено.') : say(ctx, 'Off.', 'Выключено.'));
  });

  shopBot.callbackQuery('links', async (ctx) => {
    const { sub_token, links } = await customerOf(ctx);
    const all = [`${shop.publicUrl}/sub/${sub_token}`, ...links.map(({ link }) => link ?? '')];
    // The first URL has all links. The message has as many complete links as fit.
    let text = '';
    for (const one of all) if (one && text.length + one.length < textMax - 2) text += `${one}\n\n`;
    await reply(ctx, text.trim());
  });

  bot.catch(async ({ error, ctx }) => {
    const code = error instanceof Refusal ? error.code : '';
    // The first tap is still being processed, and its answer follows.
    if (code === 'in_flight') return;
    if (code === '') log(error);
    const later = say(ctx, 'Please try again in a moment.', 'Попробуйте ещё раз чуть позже.');
    const own: Record<string, string> = {
      no_customer: say(ctx, 'Please send /start first.', 'Сначала отправьте /start.'),
      expires_at_changed: say(ctx, 'This offer is old.', 'Это предложение устарело.'),
    };
    await reply(ctx, own[code] ?? (code ? (error as Error).message : later)).catch(log);
  });
  return bot;
}

if (import.meta.main) {
  const { BOT_TOKEN = '', PERENNIAL_URL = '', PERENNIAL_TOKEN = '', PUBLIC_URL } = process.env;
  const perennial = { url: PERENNIAL_URL, token: PERENNIAL_TOKEN };
  await makeBot({ botToken: BOT_TOKEN, perennial, publicUrl: PUBLIC_URL ?? PERENNIAL_URL }).start();
}
