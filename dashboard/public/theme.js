// Runs before the first paint, so that nobody sees the wrong theme flash by. Content security forbids inline scripts.
(function () {
  let stored = null;
  try {
    stored = localStorage.getItem('weir-theme');
  } catch {
    // Storage may be forbidden; then the system's preference stands.
  }
  const dark = stored ? stored === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
