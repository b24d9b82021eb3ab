import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenApiDocument } from '../src/http/openapi.ts';
import { routes } from '../src/http/routes/index.ts';

// Writes the types of the dashboard from the OpenAPI document (`npm run dashboard:types`).
//
// The generator requires TypeScript 5, and this project compiles with TypeScript 7. So npm runs the
// generator in a separate folder. The first line of the result has the hash of the document. A
// test compares this hash with the present document.

const generator = ['openapi-typescript@7.13.0', 'typescript@5.9.3'];
export const typesFile = 'dashboard/api/schema.d.ts';

interface Operation {
  responses: Record<string, unknown>;
}

/** The document without problems, which have one shape, and without texts. */
function createShortDocument(): string {
  const { info, openapi, paths, components } = createOpenApiDocument(routes) as {
    info: unknown;
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: unknown };
  };
  for (const operations of Object.values(paths)) {
    for (const operation of Object.values(operations)) {
      const answers = Object.entries(operation.responses).filter(([status]) => status < '300');
      operation.responses = Object.fromEntries(answers);
    }
  }
  const document = { openapi, info, paths, components: { schemas: components.schemas } };
  return JSON.stringify(document, (key, value) =>
    key === 'description' && typeof value === 'string' ? '' : value,
  );
}

export const hashDocument = (): string =>
  createHash('sha256').update(createShortDocument()).digest('hex');

function writeTypes(): void {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-types-'));
  try {
    const source = join(folder, 'openapi.json');
    const result = join(folder, 'schema.d.ts');
    writeFileSync(source, createShortDocument());
    const packages = generator.map((name) => `--package=${name}`);
    const generate = ['openapi-typescript', source, '-o', result];
    const line = ['exec', '--yes', ...packages, '--', ...generate];
    const { status } = spawnSync('npm', line, { cwd: folder, stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
    writeFileSync(typesFile, `// openapi ${hashDocument()}\n${readFileSync(result, 'utf8')}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) writeTypes();
