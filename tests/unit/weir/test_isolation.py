"""The supervisor outlives everything it watches: what could end its process is not even loaded there."""

import subprocess
import sys


def test_no_kafka_client_in_the_supervisor() -> None:
    check = (
        "import sys, weir.commands.supervise; "
        "sys.exit(', '.join(name for name in sys.modules if name.startswith('confluent_kafka')) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
