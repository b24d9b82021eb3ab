import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

// Builds the dashboard into `dashboard/dist`. The strict policy of the server forbids inline code,
// so no asset is inlined.

const root = fileURLToPath(new URL('.', import.meta.url));

/** Writes compressed files beside each asset. The server sends the one that a browser accepts. */
const compressAssets: Plugin = {
  name: 'compress-assets',
  writeBundle({ dir = '' }, bundle) {
    for (const name of Object.keys(bundle).filter((each) => /\.(?:js|css|svg)$/.test(each))) {
      const bytes = readFileSync(join(dir, name));
      writeFileSync(join(dir, `${name}.gz`), gzipSync(bytes, { level: 9 }));
      writeFileSync(
        join(dir, `${name}.br`),
        brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
      );
    }
  },
};

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
  plugins: [compressAssets],
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
