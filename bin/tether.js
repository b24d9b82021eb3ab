// Loaded into the Node that bin/perennial.js started, before the program. When the starter is
// gone, also by SIGKILL, the channel to it breaks, and the program is asked to end as by SIGTERM.
import './early-signals.js';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// As the door does it.
enableCompileCache(fileURLToPath(new URL('../.cache/compiled', import.meta.url)));

if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // The channel alone must not keep a program running that has come to its end.
  process.channel.unref();
}
