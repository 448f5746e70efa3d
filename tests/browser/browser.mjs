// Debian's chromium, driven by playwright-core; nothing is downloaded.
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Runs `visit(context)` in a fresh browser and prints what it returns as one line of JSON. */
export async function withBrowser(visit) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS,
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
    console.log(JSON.stringify(await visit(context)));
  } finally {
    await browser.close();
  }
}
