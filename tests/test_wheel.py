"""What is shipped: a wheel that serves its own pages, styles, scripts and fonts in an environment that has nothing else."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.stack import free_ports

ROOT = Path(__file__).parent.parent


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a `build` folder of earlier would put back what was deleted."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in filter(None, tracked()):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "static" / "vendor", source / "static" / "vendor")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)], check=True)
    return next(folder.glob("testing_platform-*.whl"))


def test_the_wheel_holds_every_file_that_the_product_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    needed = {name for name in tracked() if name.startswith("testing_platform/")}
    needed |= {f"testing_platform/{name}" for name in tracked() if name.startswith(("templates/", "static/", "benchmarks/"))}
    missing = {name for name in needed - names if not name.endswith((".scss", ".po", "README.md"))}
    assert missing == set()
    assert any("static/vendor/fonts/" in name for name in names)
    assert not [name for name in names if name.startswith(("tests/", "static/", "templates/", "tools/"))]


@pytest.mark.timeout(600)
def test_the_installed_wheel_serves_pages_styles_scripts_and_fonts(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "clean")], check=True)
    programs = tmp_path / "clean" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)], check=True)
    port = free_ports()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TESTING_PLATFORM_", "PYTHON"))} | {
        "TESTING_PLATFORM_DATA": str(tmp_path / "data"),
        "TESTING_PLATFORM_PUBLIC_URL": f"http://localhost:{port}",
        "TESTING_PLATFORM_WEB_BIND": f"127.0.0.1:{port + 1}",
        "TESTING_PLATFORM_LIVE_BIND": f"127.0.0.1:{port + 2}",
    }

    def get(path: str) -> tuple[str, bytes]:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=10) as reply:
            return reply.headers["Content-Type"], reply.read()

    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([programs / "testing-platform", "serve"], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                kind, page = get("/candidate/sign-in")
                break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < until, (tmp_path / "log").read_text()[-3000:]
                time.sleep(0.3)
        assert kind.startswith("text/html")
        style = re.search(rb'href="(/static/vendor/uswds.css[^"]*)"', page)[1].decode()
        script = re.search(rb'src="(/static/js/[^"]*)"', page)[1].decode()
        kind, css = get(style)
        assert kind.startswith("text/css")
        assert len(css) > 50_000
        assert get(script)[0].startswith("text/javascript")
        font = re.search(rb"url\(([^)]*?woff2)", css)[1].decode().strip("\"'")
        kind, data = get(f"/static/vendor/{font}")
        assert data[:4] == b"wOF2"
        assert get("/live/health")[1] == b"ok\n"
        checked = subprocess.run([programs / "testing-platform", "doctor"], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
    finally:
        server.terminate()
        server.wait(20)
