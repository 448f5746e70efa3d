// Plausible's tracker for pages against a gateway: only the host differs. Prints the answers' statuses, as JSON.
import library from "plausible-tracker";

const { WEIR_URL, WEIR_DOMAIN } = process.env;
const statuses = [];

// What the tracker asks of a browser.
globalThis.location = { hostname: WEIR_DOMAIN, protocol: "https:", href: `https://www.${WEIR_DOMAIN}/cart?utm_source=x` };
globalThis.document = { referrer: "https://news.example/" };
globalThis.window = { innerWidth: 1200, localStorage: {} };
globalThis.XMLHttpRequest = class {
  headers = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    origin: `https://www.${WEIR_DOMAIN}`,
  };
  open(method, url) {
    Object.assign(this, { method, url });
  }
  setRequestHeader(name, value) {
    this.headers[name] = value;
  }
  async send(body) {
    const answer = await fetch(this.url, { method: this.method, headers: this.headers, body });
    statuses.push([answer.status, await answer.text()]);
    this.readyState = 4;
    this.onreadystatechange();
  }
};

const tracker = library.default;
const plausible = tracker({ domain: WEIR_DOMAIN, apiHost: WEIR_URL });
const stranger = tracker({ domain: `not-${WEIR_DOMAIN}`, apiHost: WEIR_URL });
const sent = (send) => new Promise((callback) => send({ callback }));
await sent((options) => plausible.trackPageview({}, options));
await sent((options) => plausible.trackEvent("Sale", { ...options, props: { item: "cup", count: 2 } }));
await sent((options) => stranger.trackPageview({}, options));
console.log(JSON.stringify(statuses));
