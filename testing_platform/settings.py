"""What an installation may set. Order: defaults, then a TOML file, then `TESTING_PLATFORM_*` in the environment."""

import os
import secrets
import tomllib
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "TESTING_PLATFORM_"


class FaultySetting(ValueError):
    pass


class UnknownSetting(FaultySetting):
    pass


HELP_HOURS = {"en": "Monday to Saturday, 7:00 am to 7:00 pm", "es": "de lunes a sábado, de 7:00 a 19:00"}


@dataclass(frozen=True)
class Settings:
    data: Path = field(default_factory=lambda: Path.home() / ".local/share/testing-platform")
    # Apart from the data folder in a real installation, so that a backup of one is useless without the other.
    keys: Path | None = None
    database: str = ""  # empty: SQLite in the data folder
    public_url: str = "http://localhost:8000"
    city_name: str = "City of Larkspur"
    help_phone: str = "555-0100"
    help_hours: str = HELP_HOURS["en"]
    help_hours_es: str = ""  # empty: as `help_hours`
    help_email: str = "testing-help@larkspur.example.gov"
    zone: str = "America/Los_Angeles"
    smtp_url: str = ""  # smtp://user:password@host:port or smtps://…; empty keeps mail in the outbox
    mail_from: str = "testing@larkspur.example.gov"
    web_bind: str = "127.0.0.1:8001"
    live_bind: str = "127.0.0.1:8002"
    web_threads: int = 16
    proxies: int = 1  # how many fronts stand before web and write X-Forwarded-For; 0 when it is reached directly
    demo: bool = False
    log_level: str = "info"
    # Told when results are out, by one signed POST (docs/interviews.md); empty: nobody is.
    webhook_url: str = ""
    evidence_seconds: int = 30
    heartbeat_seconds: int = 10
    state_seconds: int = 10
    # Processes that look for flags in the cameras' pictures; 0 switches that off.
    vision_workers: int = field(default_factory=lambda: max(1, (os.cpu_count() or 2) - 1))
    vision_file: Path | None = None  # a TOML file with numbers of the detectors that differ from the defaults

    def hours_in(self, language: str) -> str:
        """When the help desk is there, in the words of a language where the installation has them."""
        if language == "es" and self.help_hours_es:
            return self.help_hours_es
        return HELP_HOURS.get(language, self.help_hours) if self.help_hours == HELP_HOURS["en"] else self.help_hours

    @classmethod
    def load(cls, **given: object) -> "Settings":
        """Raises UnknownSetting for a name that is none of ours: a misspelt setting must not be a silent default."""
        known = {f.name: f for f in fields(cls)}
        values: dict[str, object] = {}
        file = os.environ.get(PREFIX + "SETTINGS")
        if file:
            try:
                values |= tomllib.loads(Path(file).read_text())
            except (OSError, ValueError) as problem:
                raise FaultySetting(
                    f"the settings file {file} cannot be read ({type(problem).__name__}); {PREFIX}SETTINGS names it"
                ) from problem
        for name, text in os.environ.items():
            if name.startswith(PREFIX) and name != PREFIX + "SETTINGS":
                values[name.removeprefix(PREFIX).lower()] = text
        values |= {name: value for name, value in given.items() if value is not None}
        if unknown := sorted(set(values) - set(known)):
            raise UnknownSetting(f"unknown setting {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        address = urlsplit(str(values.get("webhook_url", "")))
        if address.netloc and address.scheme != "https" and address.hostname not in ("localhost", "127.0.0.1"):
            raise FaultySetting("webhook_url must begin with https:// (http:// is for this machine alone)")
        if values.get("webhook_url") and not (address.scheme in ("http", "https") and address.hostname):
            raise FaultySetting("webhook_url must be an address such as https://hr.example.gov/results")
        return cls(**{name: _typed(name, known[name].type, value) for name, value in values.items()})  # type: ignore[arg-type]

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.data / "keys"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'testing-platform.sqlite'}"

    @property
    def origin(self) -> str:
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def environment(self) -> dict[str, str]:
        """These settings as the environment that a child process reads them from."""
        return {
            PREFIX + f.name.upper(): str(getattr(self, f.name))
            for f in fields(self)
            if getattr(self, f.name) is not None and getattr(self, f.name) != ""
        }

    @cached_property
    def secret(self) -> bytes:
        """Signs cookies, links and answer tokens."""
        return self._key("signing.key")

    @cached_property
    def vault_key(self) -> bytes:
        """Wraps the media key of each attempt."""
        return self._key("vault.key")

    @cached_property
    def webhook_key(self) -> bytes:
        """Signs what is said to `webhook_url`; whoever listens there has a copy."""
        return self._key("webhook.key")

    def _key(self, name: str) -> bytes:
        """From the environment (`TESTING_PLATFORM_KEYS` folder) or made at the first start, readable by this user alone."""
        folder = self.keys_folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / name
        try:
            # Written whole under another name first: two processes starting together must agree on one key.
            draft = folder / f".{name}.{os.getpid()}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
        return path.read_bytes()


def _typed(name: str, kind: object, value: object) -> object:
    if "Path" in str(kind):
        return Path(str(value)).expanduser().absolute()
    if kind in (int, "int"):
        try:
            return int(str(value))
        except ValueError:
            raise FaultySetting(f"the setting {name} is a whole number, not {value!r}") from None
    if kind in (bool, "bool"):
        return str(value).lower() in ("1", "true", "yes", "on")
    return str(value)
