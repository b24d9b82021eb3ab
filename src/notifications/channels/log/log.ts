import { defaultChannel, fallbackChannel } from '../../../outbox/outbox.ts';
import type { Channel } from '../channel.ts';

/**
 * The channel for messages without another one: a line of the log, beside the row in the database.
 */
export interface MessageLog {
  info(fields: object, message: string): void;
}

export function openLogChannel(log: MessageLog): Channel {
  return {
    name: fallbackChannel,
    servedChannel: defaultChannel,
    exclusive: false,
    id: 'log',
    admins: ['admins'],
    perSecond: 1_000,
    gapMs: 0,
    catchUp: 2,
    async send(to, { subject, plain }) {
      log.info({ to, subject, text: plain }, 'notice');
      return { is: 'sent', messageId: null };
    },
    checkHealth: async () => undefined,
    close: () => undefined,
  };
}
