import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// `npm run proto`: makes the codec of the node API, src/xray/grpc/wire.js and wire.d.ts,
// from wire.proto beside them. Both are committed, and a test holds them against a fresh run.

const folder = new URL('../src/xray/grpc/', import.meta.url).pathname;

// Numbers, not Long: a count of users stays below 2^53. Unused parts are left out.
const options = [
  ...['-t', 'static-module', '-w', 'esm', '--force-number', '--no-create', '--no-verify'],
  ...['--no-convert', '--no-delimited', '--no-service', '--no-typeurl'],
];

export interface Codec {
  readonly 'wire.js': string;
  readonly 'wire.d.ts': string;
}

export function generateCodec(): Codec {
  const temporary = mkdtempSync(join(tmpdir(), 'perennial-proto-'));
  const run = (program: string, ...args: string[]): string => {
    const path = new URL(`../node_modules/protobufjs-cli/bin/${program}`, import.meta.url).pathname;
    return execFileSync(process.execPath, [path, ...args], { encoding: 'utf8' });
  };
  try {
    const proto = join(folder, 'wire.proto');
    // The types are read from comments that the code itself need not carry.
    const commented = join(temporary, 'wire.js');
    run('pbjs', ...options, proto, '-o', commented);
    return {
      'wire.js': run('pbjs', ...options, '--no-comments', proto),
      'wire.d.ts': run('pbts', '--no-comments', commented),
    };
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(generateCodec()))
    writeFileSync(join(folder, name), text);
}
export const readCommitted = (name: keyof Codec): string =>
  readFileSync(join(folder, name), 'utf8');
