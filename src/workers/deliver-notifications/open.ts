import type { Config } from '../../config/config.ts';
import { toNoticeSettings } from '../../config/settings.ts';
import { openChannels } from '../../notifications/channels/index.ts';
import type { MessageLog } from '../../notifications/channels/log/log.ts';
import { openTexts } from '../../notifications/texts.ts';
import type { Delivery } from './claim.ts';

/** Opens the channels and texts of the configuration. @throws UsageFault for a wrong text */
export function openDelivery(config: Config, log: MessageLog): Delivery {
  const { folder, admins } = toNoticeSettings(config);
  return { channels: openChannels(config.file, log), texts: openTexts({ folder }), admins };
}
