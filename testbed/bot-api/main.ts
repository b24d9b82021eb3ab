import { parseArgs } from 'node:util';
import { startBotApi } from './bot-api.ts';
import { createFaults } from './faults.ts';

// node testbed/bot-api/main.ts [--port 8081] [--seed 1] [--faults 0.1] [--per-second 30]
//
// The Bot API as a separate process, to which `telegram.api` may point. It prints a line for each
// message.

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8081' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'string', default: '0' },
    'per-second': { type: 'string', default: '30' },
  },
});
const conduct = createFaults(Number(values.seed), Number(values.faults));
const api = await startBotApi({
  port: Number(values.port),
  limits: { perSecond: Number(values['per-second']), gapMs: 1_000 },
  conduct(call) {
    const fate = conduct(call);
    process.stdout.write(`${JSON.stringify({ ...call, fate })}\n`);
    return fate;
  },
});
process.stdout.write(`listening on ${api.url}\n`);
process.on('SIGTERM', () => void api.stop());
process.on('SIGINT', () => void api.stop());
