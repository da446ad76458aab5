"""Files that mean harm: refused by name and reason, in little memory, before anything is written."""

import json
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from testing_platform import cli
from testing_platform.itembank.exchange.drafts import Draft, Skip
from testing_platform.itembank.exchange.safety import Refused
from tests.itembank.exchange.made import all_of, item, item3, multichoice, one, package, packed, png, quiz, written

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg">{}</svg>'
PICTURED = item(stem='<p>See <img src="x.svg" alt="x"/></p>')


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (LAUGHS + item(stem="<p>&b;</p>"), "DTD"),
        (EXTERNAL + item(stem="<p>&e;</p>"), "DTD"),
        ('<!DOCTYPE questestinterop SYSTEM "http://example.org/x.dtd"><questestinterop/>', "DTD"),
        ('<!DOCTYPE assessmentItem SYSTEM "file:///etc/passwd">' + item(), "DTD"),
        ('<!DOCTYPE assessmentItem SYSTEM "ims_qtiasiv1p2p1.dtd" [<!ENTITY e "x">]>' + item(), "DTD"),
        ('<!DOCTYPE assessmentItem SYSTEM "http://www.w3.org.example.org/x.dtd">' + item(), "DTD"),
        ((LAUGHS + item()).encode("utf-16"), "DTD"),
        (item(stem='<p onclick="steal()">Who?</p>'), "script or an event handler"),
        (item(stem="<p>Who?<script>steal()</script></p>"), "script or an event handler"),
        (item(stem='<p>Who? <a href="javascript:steal()">this</a></p>'), "script or an event handler"),
        (item(options={"A": "<![CDATA[<img src=x onerror=steal()>]]>", "B": "b"}), "script or an event handler"),
        (item3(extra='<qti-catalog-info><qti-catalog id="c"><p onfocus="x()">y</p></qti-catalog></qti-catalog-info>'), "script or an event handler"),
        (quiz(multichoice((100, "a"), (0, "b"), text='<IMG SRC="x" OnError="y()">')), "script or an event handler"),
        (item(stem="<p>é</p>").encode("latin-1"), "not text in UTF-8"),
        ('<?xml version="1.0" encoding="utf-7"?>' + item(), "encoding that is not read here"),
        ('<?xml version="1.0" encoding="no-such"?>' + item(), "encoding that is not read here"),
        (b"\xff\xfe" + item().encode()[:-1] + b"\x00\xd8", "not text in UTF-16"),
        (b"\x00\x01\x02 binary", "not a text file"),
        (item().replace("What", "Wh\0at"), "not a text file"),
        ("<quiz>" + "<b>" * 100_000 + "</b>" * 100_000 + "</quiz>", "nested deeper than 120 levels"),
        (b"", "is empty"),
        ("<html><body>hello</body></html>", "holds no items"),
    ],
)  # fmt: skip
def test_a_file_is_refused_by_name_and_reason(tmp_path, content, why):
    with pytest.raises(Refused, match=r"item\.xml") as refusal:
        one(tmp_path, content)
    assert why in refusal.value.facts["why"]


@pytest.mark.parametrize("piece", ["<svg>", "<svg ", "<a ", "<svg><title ", "data:image/png;base64,"])
def test_texts_made_to_be_read_for_hours_are_not(tmp_path, piece):
    began = time.process_time()
    one(tmp_path, quiz(multichoice((100, "a"), (0, "b"), text=piece * 50_000)), "q.xml")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("drawn", "outcome"),
    [
        (SVG.format("<script>x()</script>"), "refused"),
        (SVG.format('<rect onload="x()"/>'), "refused"),
        (SVG.format('<a xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="java&#x0A;script:x()"><rect/></a>'), "refused"),
        (LAUGHS + SVG.format("<text>&b;</text>"), "refused"),
        (SVG.format('<image href="https://example.org/track.png"/>'), "fetches something from elsewhere"),
        (SVG.format("<style>@import 'https://example.org/x.css';</style>"), "fetches something from elsewhere"),
        (SVG.format('<rect style="fill: url( //example.org/x)"/>'), "fetches something from elsewhere"),
        (SVG.format("<foreignObject><p/></foreignObject>"), "holds a web page"),
        ("<svg", "no PNG"),
        ("no picture", "no PNG"),
        (png(90_000, 1), "larger than 8192"),
        (SVG.format('<rect width="2" height="2" fill="url(#shade)"/>'), "taken"),
        (png(), "taken"),
    ],
)
def test_pictures(tmp_path, drawn, outcome):
    path = package(tmp_path / "p.zip", {"i.xml": PICTURED, "x.svg": drawn})
    if outcome == "refused":
        with pytest.raises(Refused, match=r"p\.zip!x\.svg"):
            all_of(path)
        return
    if outcome == "taken":
        assert isinstance(all_of(path)[0], Draft)
    else:
        # What only calls itself a picture is found out when the item asks for it.
        (found,) = all_of(package(tmp_path / "q.zip", {"i.xml": PICTURED.replace("x.svg", "x.pic"), "x.pic": drawn}))
        assert outcome in found.reason


@pytest.mark.parametrize(
    "line",
    [
        "<!DOCTYPE assessmentItem>",
        '<!DOCTYPE assessmentItem PUBLIC "-//W3C//DTD MathML 2.0//EN" "http://www.w3.org/Math/DTD/mathml3/mathml3.dtd">',
        '<!DOCTYPE assessmentItem SYSTEM "ims_qtiasiv2p1.dtd">',
    ],
)
def test_a_first_line_that_defines_nothing_is_read_over(tmp_path, line):
    found = one(tmp_path, '<?xml version="1.0"?>' + line + item(stem="<p>Who&nbsp;opens?</p>"))
    assert found.stem == "<p>Who&nbsp;opens?</p>"


def zip_with(tmp_path, name, data=b"x", kind=zipfile.ZIP_DEFLATED, mode=0o100644):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr = kind, mode << 16
        archive.writestr(info, data)
        archive.writestr("i.xml", item())
    return path


@pytest.mark.parametrize("name", ["../out.xml", "a/../../out.xml", "/etc/passwd", "C:\\x.xml", "..\\out.xml", "a/..", "x" * 600 + ".xml"])
def test_paths_that_lead_out_of_a_package(tmp_path, name):
    with pytest.raises(Refused, match=r"bad\.zip.*leads out") as refusal:
        all_of(zip_with(tmp_path, name))
    assert "out of the package" in refusal.value.facts["why"]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda folder: zip_with(folder, "zeros.xml", b"\0" * 30_000_000), "grows more than 150 times"),
        (lambda folder: zip_with(folder, "link.xml", b"/etc/passwd", mode=0o120777), "is a link"),
        (lambda folder: zip_with(folder, "x.xml", item().encode(), kind=zipfile.ZIP_LZMA), "compressed in a way"),
        (lambda folder: package(folder / "bad.zip", {f"{at}.txt": "" for at in range(10_001)}), "more than 10000 files"),
        (lambda folder: encrypted(folder), "is encrypted"),
        (lambda folder: nameless(folder), "an entry without a name"),
        (lambda folder: twice(folder), "in the package twice"),
        (lambda folder: claims(folder, 400 * 2**20), "MB when unpacked"),
        (lambda folder: written(folder, "bad.zip", packed({"i.xml": item()})[:-30]), "not a whole ZIP"),
        (lambda folder: written(folder, "bad.zip", b"PK\x03\x04" + bytes(200)), "not a whole ZIP"),
        (lambda folder: written(folder, "bad.zip", damaged(packed({"i.xml": item() * 3}))), ""),
        (lambda folder: package(folder / "bad.zip", {"readme.html": "<p>none</p>"}), "holds no items"),
    ],
)
def test_archives_that_are_bombs_broken_or_closed(tmp_path, made, why):
    with pytest.raises(Refused, match=r"bad\.zip") as refusal:
        all_of(made(tmp_path))
    assert why in refusal.value.facts["why"]


def encrypted(folder: Path) -> Path:
    data = bytearray(packed({"i.xml": item()}))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    return written(folder, "bad.zip", bytes(data))


def nameless(folder: Path) -> Path:
    data = bytearray(packed({"i.xml": item()}))
    at = data.find(b"PK\x01\x02")
    # The name's five letters become part of the entry's extra field.
    struct.pack_into("<HH", data, at + 28, 0, 5)
    data[at + 46 : at + 51] = b"\x99\x99\x01\x00x"
    return written(folder, "bad.zip", bytes(data))


def twice(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("a/i.xml", item())
        archive.writestr("a\\i.xml", item())
    return folder / "bad.zip"


def claims(folder: Path, size: int) -> Path:
    """A directory that says its entries are large without their being so."""
    data = bytearray(packed({f"{at}.xml": "x" * 100 for at in range(2)}))
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<II", data, at + 20, size // 100, size)
    return written(folder, "bad.zip", bytes(data))


def damaged(data: bytes) -> bytes:
    middle = data.find(b"i.xml") + 30
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 40]) + data[middle + 40 :]


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("<b>" * 500 + "x" + "</b>" * 500, "nested deeper than 120"),
        ("<p>" + "x" * 300_000 + "</p>", "more than 200000 letters"),
        ("<p>x" + "<br/>" * 4000 + "</p>", "3000 tags"),
        ("<p>x" + "<br/>" * 300_000 + "</p>", "more than 250000 elements"),
    ],
)
def test_a_document_deeper_or_longer_than_any_item_is_left_out(tmp_path, stem, reason):
    written(tmp_path, "in/a.xml", item(stem=stem))
    written(tmp_path, "in/b.xml", item())
    left, taken = all_of(tmp_path / "in")
    assert reason in left.reason
    assert isinstance(taken, Draft)


def test_links_in_a_folder_are_not_followed_and_neighbours_outside_it_are_not_read(tmp_path):
    secret = written(tmp_path, "secret.png", png())
    written(tmp_path, "in/i.xml", item(stem='<p>See <img src="link.png" alt="x"/></p>'))
    (tmp_path / "in" / "link.png").symlink_to(secret)
    (tmp_path / "in" / "linked.xml").symlink_to(written(tmp_path, "other.xml", item()))
    (found,) = all_of(tmp_path / "in")
    assert isinstance(found, Skip)


def test_a_handler_named_in_words_is_only_words(tmp_path):
    found = one(tmp_path, item(stem='<p title="what online = means">Write onclick = "x" in a tag?</p>'))
    assert isinstance(found, Draft)


def run(*words):
    return CliRunner().invoke(cli.main, ["items", "import", *map(str, words)])


def test_the_command_says_item_by_item_what_would_come_in(tmp_path):
    path = package(tmp_path / "p.zip", {"a.xml": item(), "b.xml": item(correct=())})
    found = run(path, "--dry-run", "--json")
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert (said["found"], said["imported"], said["skipped"]) == (2, 1, 1)
    first, second = said["items"]
    assert first.pop("notes") == []
    assert first == {"source": "p.zip!a.xml", "identifier": "i1", "format": "qti21", "outcome": "imported", "reason": None, "kind": "single", "options": 4, "key": ["B"], "mapping": None, "shuffle": True}  # fmt: skip
    assert (second["outcome"], second["reason"][:10], second["key"]) == ("skipped", "has no key", None)
    assert "1 can come in, 1 skipped" in run(path, "--dry-run").stdout


def test_the_command_refuses_with_exit_code_1_naming_file_and_reason(tmp_path):
    path = package(tmp_path / "p.zip", {"a.xml": item(), "b.xml": LAUGHS + item()})
    found = run(path, "--dry-run", "--json")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "p.zip!b.xml: has a document type definition" in found.stderr
    assert run(tmp_path / "nothing.zip", "--dry-run").exit_code == 1
    assert run(path).exit_code == 1, "it does not pretend to have taken anything in"


MEASURED = """
import sys, time
from pathlib import Path
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Refused
started = time.process_time()
try:
    found = sum(1 for _ in read(Path(sys.argv[1]), strict=True))
except Refused as refused:
    found = str(refused)
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(found, round(time.process_time() - started, 2), int(peak) // 1024, sep="|")
"""


def measured(path: Path) -> tuple[str, float, int]:
    """What was found, seconds of the processor, and the most memory in MB, of a process of its own."""
    said = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True, timeout=120)
    found, seconds, megabytes = said.stdout.strip().split("|")
    return found, float(seconds), int(megabytes)


def huge(tmp_path):
    path = tmp_path / "big.xml"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    return path


@pytest.mark.parametrize(
    "made",
    [
        huge,
        lambda folder: zip_with(folder, "zeros.xml", b"\0" * 250_000_000),
        lambda folder: package(folder / "many.zip", {f"{at}": "" for at in range(60_000)}),
        # The most elements that a document within its size can hold.
        lambda folder: written(folder, "wide.xml", "<assessmentItem><itemBody>" + "<b/>" * 5_000_000 + "</itemBody></assessmentItem>"),
        lambda folder: written(folder, "wide.xml", "<quiz>" + "<a b='\U0001f600'/>" * 1_000_000 + "</quiz>"),
        lambda folder: written(folder, "long.gift", "\U0001f600" * 5_000_000 + "{~a =b}"),
        lambda folder: written(folder, "long.gift", "\U0001f600" * 2_000_000 + "{~a =b}"),
        lambda folder: written(folder, "long.csv", "question,a,b,answer\n" + "x,y,z,a\n" * 2_000_000),
    ],
)
def test_large_files_are_answered_in_little_memory(tmp_path, made):
    found, _, megabytes = measured(made(tmp_path))
    assert not found.isdigit() or found == "1", found
    assert megabytes < 300


def test_a_package_of_a_thousand_items_is_read_in_seconds_and_little_memory(tmp_path):
    files: dict[str, str | bytes] = {"imsmanifest.xml": "<manifest/>"}
    for at in range(1000):
        stem = f'<p>Question {at}: what comes first? <img src="p{at % 50}.png" alt="a sign"/></p>' + "<p>More words to read.</p>" * 10
        files[f"items/{at}.xml"] = item(identifier=f"i{at}", stem=stem)
    for at in range(50):
        files[f"items/p{at}.png"] = png() + bytes(at)
    found, seconds, megabytes = measured(package(tmp_path / "thousand.zip", files))
    assert found == "1000"
    assert seconds < 10
    assert megabytes < 300
