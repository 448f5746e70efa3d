// What a script tag says, put where OpenPanel's tracker looks for it: the queue `window.op.q`, whose first call is
// `init`. Runs before the tracker, in the same file; returns whether the tracker has anything to do.
(window, document) => {
  const script = document.currentScript;
  const said = script ? script.dataset : {};
  const flag = (value) => (value === undefined ? undefined : value !== 'false');
  const options = {
    clientId: said.clientId,
    apiUrl: said.apiUrl,
    trackScreenViews: flag(said.trackScreenViews),
    trackHashChanges: flag(said.trackHashChanges),
    trackOutgoingLinks: flag(said.trackOutgoingLinks),
    trackAttributes: flag(said.trackAttributes),
    disabled: flag(said.disabled),
    debug: flag(said.debug),
    sessionReplay: flag(said.sessionReplay) ? { enabled: true } : undefined,
  };
  const stop = (why) => {
    console.warn(`op: ${why}`);
    return false;
  };
  if (!window.op) {
    // The same queue as the snippet makes, for pages that have the tag alone.
    const calls = [];
    window.op = new Proxy((...call) => void (call.length && calls.push(call)), {
      get: (_, name) => (name === 'q' ? calls : (...given) => void calls.push([name, ...given])),
      has: (_, name) => name === 'q',
    });
  }
  const queue = window.op.q;
  if (!queue) return stop('the script is on this page twice');
  const at = queue.findIndex((call) => call[0] === 'init');
  const init = at < 0 ? ['init', {}] : queue.splice(at, 1)[0];
  init[1] = { ...init[1] };
  for (const name in options) {
    if (init[1][name] === undefined && options[name] !== undefined) init[1][name] = options[name];
  }
  if (!init[1].clientId) return stop('no client id: give the tag data-client-id, or call op("init", { clientId })');
  // Events go where the script came from, so a path of the site's own that leads to the gateway is enough.
  if (!init[1].apiUrl && script && script.src) init[1].apiUrl = script.src.replace(/[?#].*/s, '').replace(/\/[^/]*$/, '');
  if (!init[1].apiUrl) return stop('no apiUrl, and a module cannot know where it came from');
  init[1].apiUrl = init[1].apiUrl.replace(/\/+$/, '');
  queue.unshift(init);
  return true;
};
