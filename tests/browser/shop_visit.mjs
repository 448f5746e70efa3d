// A visitor of the tea shop: pages, a tracked button, a sign-up, a purchase; every request must be answered 200.
// node shop_visit.mjs SHOP_URL GATEWAY_URL CLIENT_ID
import { withBrowser } from './browser.mjs';

const [shop, gateway, client] = process.argv.slice(2);

await withBrowser(async (context) => {
  const page = await context.newPage();
  const answers = [];
  page.on('requestfinished', async (request) => {
    if (request.url().startsWith(gateway) && request.method() === 'POST') {
      const response = await request.response();
      answers.push({
        type: request.postDataJSON().type,
        name: request.postDataJSON().payload.name ?? '',
        status: response.status(),
        body: await response.json(),
      });
    }
  });
  const answered = async (count) => {
    for (let turn = 0; answers.length < count; turn += 1) {
      if (turn > 200) throw new Error(`only ${answers.length} of ${count} answers: ${JSON.stringify(answers)}`);
      await page.waitForTimeout(50);
    }
  };
  const settings = new URLSearchParams({ client, gateway, utm_source: 'newsletter', utm_campaign: 'spring' });
  await page.goto(`${shop}/?${settings}`);
  await page.waitForSelector('body[data-ready]');
  await answered(1);
  await page.click('text=Teas');
  await answered(2);
  await page.click('text=Green tea');
  await answered(3);
  await page.click('text=Newsletter');
  await answered(4);
  await page.click('#sign-up');
  await answered(5);
  await page.click('#buy');
  await answered(6);
  const agent = await page.evaluate(() => navigator.userAgent);
  return { answers, agent, deviceId: await page.evaluate(() => window.op.getDeviceId()) };
});
