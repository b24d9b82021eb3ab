import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/postgres-server.ts'],
    setupFiles: ['test/support/seed.ts'],
    // Two cores suffice; the PostgreSQL server wants its share of them. Three at a time are a sixth
    // quicker, and what is measured in tests of processes then waits for a processor.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A test that fails is looked at, never tried again (docs/writing.md).
    retry: 0,
  },
});
