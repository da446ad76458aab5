"""What an installation may set, and the keys it makes for itself."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from testing_platform.settings import PREFIX, Settings, UnknownSetting


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_the_environment_goes_before_the_file_and_the_file_before_the_defaults(tmp_path, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text('city_name = "City of Fern"\nweb_threads = 4\nzone = "UTC"\n')
    monkeypatch.setenv(PREFIX + "SETTINGS", str(file))
    monkeypatch.setenv(PREFIX + "WEB_THREADS", "8")
    found = Settings.load(zone="America/New_York", data=None)
    assert (found.city_name, found.web_threads, found.zone, found.live_bind) == ("City of Fern", 8, "America/New_York", "127.0.0.1:8002")


@pytest.mark.parametrize("way", ["environment", "file", "argument"])
def test_a_misspelt_setting_is_an_error_that_names_it(tmp_path, monkeypatch, way):
    given = {}
    if way == "environment":
        monkeypatch.setenv(PREFIX + "PUBLIK_URL", "https://tests.example.gov")
    elif way == "file":
        (tmp_path / "settings.toml").write_text('publik_url = "https://tests.example.gov"\n')
        monkeypatch.setenv(PREFIX + "SETTINGS", str(tmp_path / "settings.toml"))
    else:
        given = {"publik_url": "https://tests.example.gov"}
    with pytest.raises(UnknownSetting, match=r"unknown setting publik_url; known: .*public_url"):
        Settings.load(**given)


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("Yes", True), ("on", True), ("0", False), ("false", False), ("", False)]
)
def test_yes_and_no(monkeypatch, text, value):
    monkeypatch.setenv(PREFIX + "DEMO", text)
    assert Settings.load().demo is value


def test_a_child_process_reads_the_same_settings(tmp_path, monkeypatch):
    given = Settings(
        data=tmp_path / "data", keys=tmp_path / "keys", public_url="https://tests.example.gov", web_threads=3, demo=True, proxies=0
    )
    for name, text in given.environment.items():
        monkeypatch.setenv(name, text)
    found = Settings.load()
    assert {f.name: getattr(found, f.name) for f in fields(Settings)} == {f.name: getattr(given, f.name) for f in fields(Settings)}


def test_a_path_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Settings.load(data="here").data == tmp_path / "here"
    assert Settings.load(data="~/there").data == Path.home() / "there"


@pytest.mark.parametrize(
    ("url", "origin", "secure"),
    [
        ("http://localhost:8000", "http://localhost:8000", False),
        ("https://tests.example.gov", "https://tests.example.gov", True),
        ("https://tests.example.gov/", "https://tests.example.gov", True),
    ],
)
def test_origin(url, origin, secure):
    found = Settings(public_url=url)
    assert (found.origin, found.secure) == (origin, secure)


def test_keys_are_made_once_for_this_user_alone(tmp_path):
    first = Settings(data=tmp_path / "data")
    keys = (first.secret, first.vault_key)
    assert {len(key) for key in keys} == {32}
    assert keys[0] != keys[1]
    again = Settings(data=tmp_path / "data")
    assert (again.secret, again.vault_key) == keys
    folder = tmp_path / "data" / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"signing.key": 0o600, "vault.key": 0o600}


def test_keys_may_lie_apart_from_the_data(tmp_path):
    assert Settings(data=tmp_path / "data", keys=tmp_path / "elsewhere").secret
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["signing.key"]
    assert not (tmp_path / "data").exists()


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    code = f"from pathlib import Path; from testing_platform.settings import Settings; print(Settings(data=Path({str(tmp_path)!r})).secret.hex())"
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    assert len({child.communicate(timeout=30)[0] for child in children}) == 1


def test_the_hours_of_the_help_desk_are_in_the_language_of_the_page_where_they_are_known(tmp_path):
    assert Settings(data=tmp_path).hours_in("es") == "de lunes a sábado, de 7:00 a 19:00"
    assert Settings(data=tmp_path).hours_in("en") == "Monday to Saturday, 7:00 am to 7:00 pm"
    own = Settings(data=tmp_path, help_hours="weekdays 8 to 5")
    assert own.hours_in("es") == own.hours_in("en") == "weekdays 8 to 5"
    assert (
        Settings(data=tmp_path, help_hours="weekdays 8 to 5", help_hours_es="de lunes a viernes, de 8 a 17")
        .hours_in("es")
        .startswith("de lunes")
    )
