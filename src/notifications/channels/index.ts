import type { ConfigFile } from '../../config/config.ts';
import type { Channel } from './channel.ts';
import { openEmail } from './email/email.ts';
import { type MessageLog, openLogChannel } from './log/log.ts';
import { openTelegram } from './telegram/telegram.ts';

type ChannelSettings = Pick<ConfigFile, 'telegram' | 'email'>;

/**
 * All channels of the configuration. A new channel is a folder and a line. The first channel sends
 * to customers. Each channel with admins sends alarms.
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
