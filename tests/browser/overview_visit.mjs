// Looks at Weir's own page: signs in with a read client, reads the numbers, takes a picture.
// node overview_visit.mjs PAGE_URL CLIENT_ID CLIENT_SECRET SCREENSHOT
import { withBrowser } from './browser.mjs';

const [url, clientId, clientSecret, screenshot] = process.argv.slice(2);

await withBrowser(async (context) => {
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  await page.fill('input[name=client-id]', clientId);
  await page.fill('input[name=client-secret]', clientSecret);
  await page.click('button[type=submit]');
  await page.waitForSelector('[data-testid=metric-unique_visitors]');
  const shows = (id, text) =>
    page.waitForFunction(
      ([testId, wanted]) => document.querySelector(`[data-testid="${testId}"]`)?.textContent?.includes(wanted),
      [id, text],
      { timeout: 20_000 },
    );
  await shows('value-unique_visitors', '1');
  await shows('live-visitors', '1');
  await shows('top-pages', '/teas/green');
  await shows('top-events', 'purchase');
  await page.waitForSelector('canvas');
  const texts = {};
  for (const element of await page.locator('[data-testid]').all()) {
    texts[await element.getAttribute('data-testid')] = (await element.textContent())?.trim();
  }
  await page.screenshot({ path: screenshot, fullPage: true });
  return { texts, errors };
});
