// OpenPanel's own libraries: a server, an app (no Origin, a queue while it is offline), and a Next.js site's proxy.
import { register } from "node:module";
import { OpenPanel } from "@openpanel/sdk";

// Of Next.js itself only the class of its answers is used, which is the platform's own with more to it: not worth a
// framework of a hundred megabytes.
const answers = "data:text/javascript,export class NextResponse extends Response {}";
const hooks = `export const resolve = (name, context, next) =>
  name === "next/server.js" ? { url: ${JSON.stringify(answers)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { createRouteHandler } = await import("@openpanel/nextjs/server");

const { WEIR_URL, CLIENT_ID, CLIENT_SECRET, RUN } = process.env;
const APP = "Shop/1.2 CFNetwork/1410.0.3 Darwin/22.6.0";
const BROWSER =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

let requests = 0;
const plainFetch = globalThis.fetch;
globalThis.fetch = (...given) => {
  requests += 1;
  return plainFetch(...given);
};
const client = (more) => new OpenPanel({ apiUrl: WEIR_URL, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...more });

// A server: every call it has.
const server = client();
const ann = `ann-${RUN}`;
await server.identify({ profileId: ann, firstName: "Ann", email: "ann@example.com", properties: { plan: "pro" } });
await server.upsertGroup({ id: `acme-${RUN}`, type: "company", name: "Acme", properties: { seats: 12 } });
await server.setGroup(`acme-${RUN}`);
await server.increment({ profileId: ann, property: "logins", value: 5 });
await server.decrement({ profileId: ann, property: "logins", value: 2 });
const ordered = await server.track("ordered", { run: RUN, order: 7 });
await server.revenue(4990, { run: RUN, deviceId: `till-${RUN}` });

// An app: what it did while it was offline has its time, and all of it is one device's.
const app = client({ sdk: "react-native", sdkVersion: "1.4.1", disabled: true });
app.api.addHeader("User-Agent", Promise.resolve(APP));
app.setGlobalProperties({ __version: "1.2" });
await app.track("opened", { run: RUN });
const sent = [];
const send = app.send.bind(app);
app.send = (payload) => {
  const under_way = send(payload);
  sent.push(under_way);
  return under_way;
};
app.ready();
await Promise.all(sent);
const shown = await app.track("screen_view", { run: RUN, __path: "Basket" });

// A secret that is none: told once, and not tried again.
const before = requests;
const refused = await client({ clientSecret: "sec_wrong", sdk: "node" }).track("never", { run: RUN });
const tries = requests - before;

// A Next.js site: its own path leads here.
const proxy = createRouteHandler({ apiUrl: WEIR_URL });
const visit = (path, body) =>
  proxy.POST(
    new Request(`https://shop.example/api/op${path}`, {
      method: "POST",
      headers: { "openpanel-client-id": CLIENT_ID, "user-agent": BROWSER, "x-forwarded-for": "81.2.69.142" },
      body: JSON.stringify(body),
    }),
  );
const page = { run: RUN, __path: "https://shop.example/shoes" };
const proxied = await visit("/track", { type: "track", payload: { name: "proxied", properties: page } });

console.log(
  JSON.stringify({
    ordered,
    shown,
    session: app.getSessionId(),
    refused,
    tries,
    proxied: { status: proxied.status, body: await proxied.json() },
  }),
);
