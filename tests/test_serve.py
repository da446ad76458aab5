"""What the front is told."""

import json
import subprocess
import sys

from testing_platform import serve
from testing_platform.itembank.exchange.safety import LIMITS


def test_a_package_of_items_may_be_as_large_as_the_bank_takes_and_no_other_form_is(settings, tmp_path):
    path = tmp_path / "Caddyfile"
    path.write_text(serve.caddyfile(settings, None))
    done = subprocess.run([serve.caddy(), "adapt", "--adapter", "caddyfile", "--config", str(path)], capture_output=True, check=True)
    (server,) = json.loads(done.stdout)["apps"]["http"]["servers"].values()
    found = {}
    for route in server["routes"]:
        inner = [handler for part in route["handle"] for way in part.get("routes", []) for handler in way["handle"]]
        for handler in inner:
            if handler["handler"] == "request_body":
                found[route.get("match", [{}])[0].get("path_regexp", {}).get("pattern")] = handler["max_size"]
    assert found == {serve.PACKAGES: LIMITS.file + serve.FORM_AROUND, None: 1_000_000}


# A process that waits as ours do, and is told to end again at each line that it goes through while it hears and waits.
WAITS = """
import signal, sys
from testing_platform.ending import Told

def again(frame, event, _argument):
    if event == "line" and frame.f_back is not None and not deep:
        deep.append(1)
        signal.raise_signal(signal.SIGTERM)
        deep.pop()
    return again

deep, told = [], Told()
sys.settrace(again)
while not told.wait(0.01):
    pass
"""


def test_a_process_ends_that_is_told_so_while_it_is_hearing_it():
    """Signals come twice where a service manager tells the process and its group."""
    assert subprocess.run([sys.executable, "-c", WAITS], timeout=20).returncode == 0
