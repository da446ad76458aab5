"""`testing-platform serve`: front, web, live and worker on one machine; a child that dies is started again."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from testing_platform import assets
from testing_platform.ending import Told
from testing_platform.itembank.exchange.safety import LIMITS
from testing_platform.settings import Settings

log = structlog.get_logger("serve")


def caddy() -> str | None:
    """The front's program, from the environment that this runs in or from the path."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    return str(beside) if beside.exists() else shutil.which("caddy")


def loopback() -> list[str]:
    """This machine's own addresses; some have no IPv6."""
    found = ["127.0.0.1"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        found.append("[::1]")
    return found


# Where an analyst brings a package of items, or a picture. It goes to web as it comes in, as far as web takes one, with the form's other fields round it.
PACKAGES = r"^/analyst/bank/\d+/(import|pictures)$"
FORM_AROUND = 1_000_000


def caddyfile(settings: Settings, domain: str | None) -> str:
    """One address: static files from the folder, `/live/` to live, the rest to web with its body read in first, but for packages of items."""
    port = urlsplit(settings.public_url).port or 80
    site = domain or f"http://:{port}"
    # Without a public name this machine alone is served.
    bind = "" if domain else "bind " + " ".join(loopback())
    return f"""{{
    admin off
    persist_config off
    {"" if domain else "auto_https off"}
    servers {{
        protocols h1 {"h2 h3" if domain else ""}
    }}
    log default {{
        output stderr
        level ERROR
    }}
}}
{site} {{
    {bind}
    encode zstd gzip
    handle /static/* {{
        uri strip_prefix /static
        root * {assets.folder("static")}
        @versioned query v=*
        header @versioned Cache-Control "public, max-age=31536000, immutable"
        header X-Content-Type-Options nosniff
        header Cross-Origin-Resource-Policy same-origin
        file_server
    }}
    handle /live/* {{
        reverse_proxy {settings.live_bind} {{
            lb_try_duration 2s
        }}
    }}
    @packages {{
        method POST
        path_regexp {PACKAGES}
    }}
    handle @packages {{
        request_body {{
            max_size {LIMITS.file + FORM_AROUND}
        }}
        reverse_proxy {settings.web_bind} {{
            lb_try_duration 2s
        }}
    }}
    handle {{
        request_body {{
            max_size 1MB
        }}
        reverse_proxy {settings.web_bind} {{
            request_buffers 1MB
            lb_try_duration 2s
        }}
    }}
}}
"""


def commands(settings: Settings, *, front: bool, domain: str | None) -> dict[str, list[str]]:
    me = [sys.executable, "-m", "testing_platform.cli"]
    found = {"web": [*me, "web"], "live": [*me, "live"], "worker": [*me, "worker"]}
    if front:
        program = caddy()
        if program is None:
            raise FileNotFoundError("caddy")
        path = settings.data / "Caddyfile"
        path.write_text(caddyfile(settings, domain))
        found["front"] = [program, "run", "--adapter", "caddyfile", "--config", str(path)]
    return found


def web_command(settings: Settings) -> list[str]:
    """One worker on SQLite, since one process writes best there; more on PostgreSQL."""
    workers = 1 if settings.database_url.startswith("sqlite") else max(2, os.cpu_count() or 2)
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "testing_platform.app:wsgi()",
        "--bind",
        settings.web_bind,
        "--worker-class",
        "gthread",
        "--workers",
        str(workers),
        "--threads",
        str(settings.web_threads),
        "--no-control-socket",
        "--log-level",
        "warning",
        "--keep-alive",
        "75",
        "--graceful-timeout",
        "10",
        "--forwarded-allow-ips",
        "127.0.0.1",
        "--backlog",
        "2048",
    ]


@dataclass
class Supervisor:
    """Keeps its children alive; ends when told to."""

    commands: dict[str, list[str]]
    environment: dict[str, str]
    folder: Path
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self.children[name] = subprocess.Popen(self.commands[name], env=os.environ | self.environment, start_new_session=True)
        self.started[name] = time.monotonic()
        (self.folder / f"{name}.pid").write_text(str(self.children[name].pid))

    def run(self) -> None:
        told = Told()
        for name in self.commands:
            self.start(name)
        while not told.wait(0.2):
            for name, child in self.children.items():
                if child.poll() is not None and time.monotonic() - self.started[name] > 0.5:
                    log.warning("restarted", child=name, code=child.returncode)
                    self.start(name)
        self.stop()

    def stop(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + 12
        for child in self.children.values():
            try:
                child.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
