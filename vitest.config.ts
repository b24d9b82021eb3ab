import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Two cores suffice, because PostgreSQL needs its share of them. A third worker saves a sixth of
    // the time, but then tests of processes wait for a processor.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'dashboard/**/*.test.ts', 'test/tidy/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'database',
          include: ['test/{integration,e2e,proofs}/**/*.test.ts'],
          globalSetup: ['test/support/postgres-server.ts', 'test/support/dashboard-build.ts'],
        },
      },
    ],
    setupFiles: ['test/support/seed.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A failed test is examined, and never repeated (docs/writing.md).
    retry: 0,
  },
});
