import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// Builds the dashboard into `dashboard/dist`. The strict policy of the server forbids inline code,
// so no asset is inlined.

const root = fileURLToPath(new URL('.', import.meta.url));

export default defineConfig({
  root,
  base: '/ui/',
  resolve: {
    alias: {
      react: 'preact/compat',
      'react-dom': 'preact/compat',
      'react/jsx-runtime': 'preact/jsx-runtime',
    },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: 'es2023',
    // The preload helper of Vite would add a polyfill that no supported browser needs.
    modulePreload: { polyfill: false },
    manifest: true,
    reportCompressedSize: false,
    // "use client" of the libraries has no meaning here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
