import type { ServerResponse } from 'node:http';

// Messages of people to a bot, as `getUpdates` returns them. Each one is returned until the next
// call confirms it by its offset. A call that finds nothing waits.

type Update = { readonly update_id: number } & Readonly<Record<string, unknown>>;

export class Updates {
  #next = 1;
  #waiting: Update[] = [];
  #held: ServerResponse | undefined;

  /** A person writes to the bot, or in a group if one is given. */
  sendMessage(from: Person, text: string, group?: number): void {
    const chat = toChat(from, group);
    const entities =
      text[0] === '/' ? [{ type: 'bot_command', offset: 0, length: text.length }] : [];
    const id = this.#next;
    this.#push({ message: { message_id: id, date: 0, from, chat, text, entities } });
  }

  /** A person taps a button of a new message, or of the given one. */
  tapButton(from: Person, data: string, of: { messageId?: number; group?: number } = {}): void {
    const chat = toChat(from, of.group);
    const message = { message_id: of.messageId ?? this.#next, date: 0, chat };
    const id = `tap-${this.#next}`;
    this.#push({ callback_query: { id, from, chat_instance: '1', message, data } });
  }

  /** Answers `getUpdates`. */
  serve(asked: { offset?: number; timeout?: number }, response: ServerResponse): void {
    const { offset = 0, timeout = 0 } = asked;
    this.#waiting = this.#waiting.filter(({ update_id }) => update_id >= offset);
    this.#held = response;
    if (this.#waiting.length > 0 || timeout === 0) this.#respond();
    response.on('close', () => {
      if (this.#held === response) this.#held = undefined;
    });
  }

  #push(update: Readonly<Record<string, unknown>>): void {
    this.#waiting.push({ update_id: this.#next, ...update });
    this.#next += 1;
    this.#respond();
  }

  #respond(): void {
    const response = this.#held;
    this.#held = undefined;
    response?.writeHead(200, { 'content-type': 'application/json' });
    response?.end(JSON.stringify({ ok: true, result: this.#waiting }));
  }
}

const toChat = (from: Person, group: number | undefined) =>
  group === undefined
    ? { id: from.id, type: 'private', first_name: from.first_name }
    : { id: -group, type: 'supergroup', title: 'a group' };

export interface Person {
  readonly id: number;
  readonly first_name: string;
  readonly language_code: string;
  readonly is_bot: false;
}
