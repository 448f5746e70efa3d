// Umami's server library against a gateway: only host and website differ. Prints what it was answered, as JSON.
import { Umami } from "@umami/node";

const { WEIR_URL, WEIR_KEY } = process.env;
const userAgent =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const client = new Umami({ hostUrl: WEIR_URL, websiteId: WEIR_KEY, userAgent });

const answers = [
  await client.track({ hostname: "shop.example", url: "/cart?a=1", title: "Cart", language: "de", screen: "800x600" }),
  await client.track("Sale", { revenue: 19.99, currency: "EUR", item: "cup" }),
  await client.identify({ plan: "pro" }),
  await new Umami({ hostUrl: `${WEIR_URL}/umami`, websiteId: WEIR_KEY, userAgent }).track("Prefixed", {}),
  await new Umami({ hostUrl: WEIR_URL, websiteId: "nobody", userAgent }).track("Never", {}),
];
const page = { website: WEIR_KEY, hostname: "shop.example", url: "/cart" };
const occurrence = { eventId: "0193f6a0-0000-4000-8000-0000000000aa", timestamp: Date.now(), name: "TypeError" };
answers.push(
  await client.send({ ...page, engagement: 12000 }, "engagement"),
  await client.send({ ...page, ...occurrence, message: "no", handled: false }, "error"),
);
const told = await Promise.all(answers.map(async (answer) => ({ status: answer.status, body: await answer.json() })));
console.log(JSON.stringify(told));
