// Segment's server library against a gateway: only host and key differ. Prints what it was answered, as JSON.
import { Analytics } from "@segment/analytics-node";

const { WEIR_URL, WEIR_KEY, RUN } = process.env;
const failures = [];
const statuses = [];

function client(writeKey, options) {
  const made = new Analytics({ writeKey, host: WEIR_URL, ...options });
  made.on("error", (error) => failures.push(String(error.reason)));
  made.on("http_response", (response) => statuses.push(response.status));
  return made;
}

const person = { userId: `ann-${RUN}`, anonymousId: `device-${RUN}` };
const page = { url: "https://shop.example/cart?x=1", path: "/cart", title: "Cart", referrer: "https://news.example/" };
const context = {
  page,
  ip: "81.2.69.142",
  userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
  campaign: { name: "spring", source: "newsletter", medium: "email" },
  locale: "de-DE",
  groupId: `acme-${RUN}`,
};
const repeated = { ...person, event: "Repeated", messageId: `repeated-${RUN}` };

const first = client(WEIR_KEY);
first.identify({ ...person, traits: { firstName: "Ann", lastName: "Lee", email: "ann@example.com", plan: "pro" } });
first.page({ ...person, name: "Cart", properties: page, context });
first.track({ ...person, event: "Product Added", properties: { price: 1.5, tags: ["a", "b"] }, context });
first.track({ ...person, event: "Order Completed", properties: { revenue: 29.99, currency: "EUR" }, context });
first.group({ ...person, groupId: `acme-${RUN}`, traits: { name: "Acme", employees: 7 } });
first.alias({ userId: person.userId, previousId: `former-${RUN}` });
first.track(repeated);
await first.closeAndFlush();

// The same message again, in a request of its own and under the protocol's own prefix.
const second = client(WEIR_KEY, { path: "/segment/v1/batch" });
second.track(repeated);
await second.closeAndFlush();

const stranger = client("00000000-0000-4000-8000-000000000000");
stranger.track({ ...person, event: "Never" });
await stranger.closeAndFlush();

console.log(JSON.stringify({ statuses, failures }));
