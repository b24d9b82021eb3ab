import type { ConfigFile } from '../../config/config.ts';
import type { Channel } from './channel.ts';
import { openEmail } from './email/email.ts';
import { type MessageLog, openLogChannel } from './log/log.ts';
import { openTelegram } from './telegram/telegram.ts';

type ChannelSettings = Pick<ConfigFile, 'telegram' | 'email'>;

/**
 * Every way out for messages that the configuration has. A new one is a folder and a line. What
 * customers are told goes by the first; alarms go by each that names admins.
 */
export function openChannels(
  { telegram, email }: ChannelSettings,
  log: MessageLog,
): readonly Channel[] {
  return [
    telegram === undefined
      ? openLogChannel(log)
      : openTelegram({ ...telegram, perSecond: telegram.per_second }),
    ...(email === undefined ? [] : [openEmail({ ...email, perSecond: email.per_second })]),
  ];
}
