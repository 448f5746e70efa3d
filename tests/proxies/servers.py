"""nginx, Caddy and Next.js as docs/ingest/proxy.md sets them up, each in a process of its own."""

import getpass
import grp
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.clients.node import install
from tests.integration.ingest.gateway_process import poll_until
from tests.proxies.documented import documented
from weir.local.ports import free_ports

VISITOR = "X-Visitor"
"""The request header that stands for the address of the connection to nginx: the tests' own is this machine's."""
_NEXT = Path(__file__).parent / "next"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found, f"{name} is not installed: run `make proxies`, or install it with your system's packages."
    return found


@contextmanager
def _serving(
    command: Sequence[str], port: int, home: Path, environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Run a server until the end of the block; its address, once it answers."""
    url, log = f"http://127.0.0.1:{port}", home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/", timeout=5).status_code < 500
        except httpx.TransportError:
            return False

    try:
        poll_until(f"{command[0]} answers", answers)
        yield url
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def running_nginx(gateway: str, home: Path) -> Iterator[str]:
    """nginx with the documented blocks; it takes a connection for the address that the header `VISITOR` says."""
    program, (port,) = _program("nginx"), free_ports(1)
    upstream, locations = documented("nginx", gateway)
    group = grp.getgrgid(os.getgid()).gr_name
    temporary = "".join(
        f"{kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(f"""
        daemon off; pid {home}/nginx.pid; error_log stderr; user {getpass.getuser()} {group}; worker_processes 1;
        events {{}}
        http {{
            access_log off;
            {temporary}
            {upstream}
            server {{
                listen 127.0.0.1:{port};
                set_real_ip_from 127.0.0.1;
                real_ip_header {VISITOR};
                {locations}
            }}
        }}
    """)
    with _serving([program, "-p", str(home), "-e", "stderr", "-c", str(home / "nginx.conf")], port, home) as url:
        yield url


@contextmanager
def running_caddy(gateway: str, home: Path) -> Iterator[str]:
    """Caddy with the documented block."""
    program, (port,) = _program("caddy"), free_ports(1)
    (block,) = documented("caddy", gateway)
    (home / "Caddyfile").write_text(f"{{\nadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{block}\n}}\n")
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with _serving([program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"], port, home, environment) as url:
        yield url


@contextmanager
def running_next(gateway: str, home: Path) -> Iterator[str]:
    """A Next.js site with the documented rewrites, built and started."""
    install(_NEXT)
    (port,) = free_ports(1)
    # Below its packages, or the bundler does not find them.
    site = _NEXT / "build"
    shutil.rmtree(site, ignore_errors=True)
    (site / "pages").mkdir(parents=True)
    (site / "pages" / "index.js").write_text("export default function Home() { return <p>Shop</p>; }\n")
    (config,) = documented("js", gateway)
    (site / "next.config.js").write_text(config)
    program = str(_NEXT / "node_modules" / ".bin" / "next")
    environment = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1"}
    built = subprocess.run(
        [program, "build"], cwd=site, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    with _serving([program, "start", "-H", "127.0.0.1", "-p", str(port)], port, site, environment) as url:
        yield url
