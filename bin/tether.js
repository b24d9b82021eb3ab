// Ends the program if bin/perennial.js ends, also by SIGKILL. The Node that bin/perennial.js starts
// loads this file before the program. The channel between both processes then breaks, and the
// program ends as after SIGTERM.
import './early-signals.js';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// The same cache as in bin/perennial.js.
enableCompileCache(fileURLToPath(new URL('../.cache/compiled', import.meta.url)));

if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // The channel alone does not keep the process running.
  process.channel.unref();
}
