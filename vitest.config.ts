import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/server.ts'],
    setupFiles: ['test/seed.ts'],
    // On two cores: of the time that tests take, they wait for more than half.
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A test that fails is looked at, never tried again (STYLE.md).
    retry: 0,
  },
});
