// PostHog's server library against a gateway: only host and key differ. Prints what it was told, as JSON.
import { PostHog } from "posthog-node";

const { WEIR_URL, WEIR_KEY } = process.env;
const failures = [];

const client = new PostHog(WEIR_KEY, { host: WEIR_URL, flushAt: 20, disableGeoip: true });
client.on("error", (error) => failures.push(String(error)));

const person = { distinctId: "ann" };
client.identify({ ...person, properties: { $set: { email: "ann@example.com", plan: "pro" }, $set_once: { first: "x" } } });
client.capture({ ...person, event: "$pageview", properties: { $current_url: "https://shop.example/cart?a=1" } });
client.capture({
  ...person,
  event: "Product Added",
  properties: { price: 1.5, tags: ["a", "b"] },
  groups: { company: "acme" },
  uuid: "0193f6a0-0000-7000-8000-0000000000aa",
  timestamp: new Date(Date.now() - 60_000),
});
client.groupIdentify({ groupType: "company", groupKey: "acme", properties: { name: "Acme" } });
client.alias({ ...person, alias: "a.lee" });
const flag = await client.isFeatureEnabled("any", "ann", { sendFeatureFlagEvents: false });
await client.shutdown();

console.log(JSON.stringify({ failures, flag: flag ?? null }));
