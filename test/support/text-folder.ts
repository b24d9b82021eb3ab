import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTexts } from '../../src/notifications/texts.ts';

/** The texts with a folder of the operator. */
export function openTextsFrom(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-texts-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return openTexts({ folder });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
