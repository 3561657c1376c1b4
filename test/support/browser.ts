// Debian's Chromium, for tests of the pages that commands write.
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { findProgram } from './requirements.ts';

/** For describeWith(['chromium'], …); close it at the end. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium')!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
