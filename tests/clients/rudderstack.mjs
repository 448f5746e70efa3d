// RudderStack's server library against a gateway: only the data plane and the key differ. Prints what became of it.
import Analytics from "@rudderstack/rudder-sdk-node";

const { WEIR_URL, WEIR_KEY, RUN } = process.env;
const delivered = [];

function client(writeKey, options) {
  return new Analytics(writeKey, { dataPlaneUrl: WEIR_URL, logLevel: "silly", errorHandler: () => {}, ...options });
}

function sent(rudder, kind, message) {
  return new Promise((resolve) => {
    rudder[kind](message, (error) => {
      delivered.push(error ? `${kind}: ${error.response?.status}` : kind);
      resolve();
    });
    rudder.flush();
  });
}

const person = { userId: `bob-${RUN}`, anonymousId: `till-${RUN}` };
const repeated = { ...person, event: "Repeated", messageId: `again-${RUN}` };

const first = client(WEIR_KEY);
await sent(first, "identify", { ...person, traits: { email: "bob@example.com", name: "Bob Ray", seats: 3 } });
await sent(first, "page", { ...person, name: "Home", properties: { url: "https://shop.example/home" } });
await sent(first, "screen", { ...person, name: "Till" });
await sent(first, "track", { ...person, event: "Sold", properties: { revenue: "12.50", currency: "EUR" } });
await sent(first, "group", { ...person, groupId: `shop-${RUN}`, traits: { name: "Shop" } });
await sent(first, "alias", { ...person, previousId: `robert-${RUN}` });
await sent(first, "track", repeated);

const second = client(WEIR_KEY, { path: "/rudderstack/v1/batch", gzip: false });
await sent(second, "track", repeated);

const stranger = client("00000000-0000-4000-8000-000000000000");
await sent(stranger, "track", { ...person, event: "Never" });

console.log(JSON.stringify(delivered));
