"""What the front is told."""

import json
import subprocess

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
