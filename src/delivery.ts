import { type Config, toNoticeSettings } from './config.ts';
import { openChannels } from './notify/channels/index.ts';
import type { MessageLog } from './notify/channels/log/log.ts';
import { openTexts } from './notify/texts.ts';
import type { Delivery } from './workers/deliver-notifications/claim.ts';

/** Ways out and words for messages, as the configuration has them. @throws UsageFault for a bad text */
export function openDelivery(config: Config, log: MessageLog): Delivery {
  const { folder, admins } = toNoticeSettings(config);
  return { channels: openChannels(config.file, log), texts: openTexts({ folder }), admins };
}
