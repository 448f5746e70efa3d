// A visitor of the pages that load the tracker by script tag through the shop's own path; the site asks nobody else.
// node tag_visit.mjs SHOP_URL
import { withBrowser } from './browser.mjs';

const [shop] = process.argv.slice(2);

await withBrowser(async (context) => {
  const page = await context.newPage();
  const sent = [];
  const scripts = [];
  const elsewhere = [];
  const warnings = [];
  page.on('console', (message) => warnings.push(message.text()));
  page.on('pageerror', (error) => warnings.push(String(error)));
  page.on('request', (request) => request.url().startsWith(shop) || elsewhere.push(request.url()));
  page.on('requestfinished', async (request) => {
    const response = await request.response();
    if (request.resourceType() === 'script') {
      scripts.push({ path: new URL(request.url()).pathname, status: response.status(), headers: response.headers() });
    } else if (request.method() === 'POST' && request.postDataJSON().type === 'track') {
      const { name } = request.postDataJSON().payload;
      sent.push({ path: new URL(request.url()).pathname, name, status: response.status(), body: await response.json() });
    }
  });
  const until = async (what, list, count) => {
    for (let turn = 0; list.length < count; turn += 1) {
      if (turn > 200) throw new Error(`${what}: only ${list.length} of ${count}: ${JSON.stringify([list, warnings])}`);
      await page.waitForTimeout(50);
    }
  };
  await page.goto(`${shop}/tag`);
  await until('the view of the tag page', sent, 1);
  await until('tracker and recorder', scripts, 2);
  await page.click('text=First');
  await page.click('#own');
  await until('the calls of the tag page', sent, 3);
  await page.goto(`${shop}/snippet`);
  await until('view and queued call of the snippet page', sent, 5);
  await page.click('#own');
  await until('the call of the snippet page', sent, 6);
  return { sent, scripts, elsewhere, warnings };
});
