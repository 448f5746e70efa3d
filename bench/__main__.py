"""Every figure of docs/performance.md, one after the other. Best on an otherwise idle machine."""

import os

import click

from bench import gateway, path, worker


def main() -> None:
    """Print the tables; a few minutes."""
    cores = len(os.sched_getaffinity(0))
    click.echo(f"{cores} cores, load average {os.getloadavg()[0]:.1f} at the start\n\n## Gateway\n")
    gateway.main()
    click.echo("\n## Worker\n")
    worker.main(standalone_mode=False, args=[])
    click.echo("\n## The whole path\n")
    path.main(standalone_mode=False, args=[])


if __name__ == "__main__":
    main()
