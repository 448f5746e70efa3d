import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The interactive API documentation works without a network: its files are part of the build. */
function swagger(): Plugin {
  return {
    name: 'swagger-ui',
    apply: 'build',
    closeBundle() {
      for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
        cpSync(here(`./node_modules/swagger-ui-dist/${name}`), here(`./dist/swagger/${name}`));
      }
    },
  };
}

const api = 'http://127.0.0.1:8051';

export default defineConfig({
  plugins: [react(), tailwindcss(), swagger()],
  build: { target: 'es2022', chunkSizeWarningLimit: 900 },
  server: {
    proxy: {
      '/insights': api,
      '/projects': api,
      '/export': api,
      '/live': { target: api, ws: true },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
});
