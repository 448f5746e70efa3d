export function Footer() {
  const link = 'hover:text-ink underline decoration-line underline-offset-4';
  return (
    <footer className="text-faint mx-auto flex max-w-6xl flex-wrap gap-x-5 gap-y-1 px-4 pb-8 pt-2 text-xs sm:px-6">
      <a className={link} href="/docs">
        API documentation
      </a>
      <span>
        Places by{' '}
        <a className={link} href="https://db-ip.com" rel="noreferrer" target="_blank">
          IP Geolocation by DB-IP
        </a>{' '}
        (
        <a className={link} href="https://creativecommons.org/licenses/by/4.0/" rel="noreferrer" target="_blank">
          CC BY 4.0
        </a>
        )
      </span>
      <span>
        Flags by{' '}
        <a className={link} href="https://github.com/mozilla/twemoji-colr" rel="noreferrer" target="_blank">
          Twemoji
        </a>{' '}
        (CC BY 4.0)
      </span>
    </footer>
  );
}
