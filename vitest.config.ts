import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/*.test.ts'],
          setupFiles: ['test/support/property-seed.ts'],
        },
      },
      { extends: true, test: { name: 'lang', include: ['test/lang/**/*.test.ts'] } },
      { extends: true, test: { name: 'oracle', include: ['test/oracle/**/*.test.ts'], testTimeout: 180_000 } },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 300_000 } },
    ],
  },
});
