"""Broken in every way that chance finds: each case ends in drafts, skips or a refusal, within two seconds."""

import random
import time
from pathlib import Path

import pytest

from testing_platform.itembank.exchange.drafts import Draft
from testing_platform.itembank.exchange.read import read
from testing_platform.itembank.exchange.safety import Refused
from tests.itembank.exchange.made import MAP, item, item3, multichoice, packed, png, quiz
from tests.itembank.exchange.test_dialects import BLACKBOARD, BOTH, ROWS, THREE, as_csv, canvas, gives, interop
from tests.itembank.exchange.test_qti import CORRECT, MAPPED, ONE, mapping, rules, setting, when

MOST_SECONDS = 2

PICTURED = '<p>See <img src="x.png" alt="x"/> <b>now</b></p><table><tr><td>1</td></tr></table>'
SEEDS: dict[str, list[bytes]] = {
    "xml": [
        item(rules=rules(when(CORRECT, ONE)), stem=PICTURED).encode(),
        item(cardinality="multiple", most="0", correct=("A", "C"), mapping=mapping('upperBound="2"', A=1, C=1), rules=MAP).encode(),
        item(mapping=mapping(B=2), rules=rules(setting(MAPPED))).encode("utf-16"),
        item3(extra='<qti-catalog-info><qti-catalog id="c"><qti-card support="x"/></qti-catalog></qti-catalog-info>').encode(),
        interop(canvas("multiple_answers_question", THREE, gives(BOTH), "Multiple")).encode(),
        BLACKBOARD.format(type="Multiple Choice", cardinality="Single", correct="<varequal respident='response'>x1</varequal>").encode(),
        quiz(multichoice((50, "a"), (100, "b")), multichoice((50, "<p>a</p>"), (50, "&nbsp;b"), single="false")).encode(),
    ],
    "zip": [
        packed({"imsmanifest.xml": "<manifest><resources><resource identifier='r' type='imsqti_item_xmlv2p1' href='a.xml'/></resources></manifest>", "a.xml": item(stem=PICTURED), "x.png": png(), "q.gift": "a{~b =c}"}),
        packed({"top/res1.dat": interop(canvas("multiple_choice_question", THREE, gives(BOTH))), "top/x.svg": "<svg/>"}),
    ],
    "gift": [
        b"::T:: [html]<p>5 \\= 2</p> {~%50%a#no =b#yes ~\\~c####all}\n\n// [id:3]\nWho is {T#x#y}\n\n$CATEGORY: a/b\n\nx{=a -> b}\n\n[markdown]**x** _y_\n- z{~a ~%100%b}",
        "Who?{\n~Ann\n=Ben\n}\n\nHow many?{#3}".encode("utf-16"),
    ],
    "txt": [b"Who?\nA. Ann\nB) Ben\nANSWER: B\n\nWhat?\nA. x\nB. y\nANSWER: A\n"],
    "csv": [as_csv(ROWS, ",", "utf-8"), as_csv(ROWS, ";", "utf-16")],
}  # fmt: skip
# What mutations put in: signs that mean something to one of the formats.
PIECES = [b"<", b">", b"</", b"/>", b"&", b";", b'"', b"'", b"{", b"}", b"~", b"=", b"#", b"\\", b"%", b"::", b"\n\n", b"\0", b"\xff", b"\xfe", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?", b"<!DOCTYPE x>", b"&#0;", b"&#x1F600;", b"&nbsp;", b"PK\x05\x06", b"PK\x01\x02", b"\x00\x00", b"99999999999999999999", b"-1", b"1e999", b"NaN", b"ANSWER:", b"[html]", b"%-100%", b",", b";;", b"\xe2\x80\xae", b"<b>" * 50, b"on", b"xmlns:a=''"]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The same bytes after a few accidents."""
    made = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3, 8, 30])):
        at = chance.randrange(len(made) + 1)
        length = chance.choice([1, 1, 2, 5, 20, 200])
        match chance.randrange(8):
            case 0 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                made[at:at] = chance.choice(PIECES)
            case 2:
                del made[at : at + length]
            case 3:
                made[at:at] = made[at : at + length] * chance.choice([1, 2, 50])
            case 4:
                other = chance.randrange(len(made) + 1)
                made[at : at + length] = made[other : other + length]
            case 5:
                made[at : at + length] = chance.choice(PIECES)
            case 6:
                made[at:at] = bytes(chance.randrange(256) for _ in range(length))
            case _:
                # A word of one place in another: names and values change places.
                words = bytes(made).split(b'"')
                if len(words) > 3:
                    one, other = chance.sample(range(len(words)), 2)
                    words[one], words[other] = words[other], words[one]
                    made = bytearray(b'"'.join(words))
    if chance.random() < 0.03:
        made = made[: chance.randrange(len(made) + 1)]
    return bytes(made)


def try_one(seed: int, folder: Path) -> str:
    """What became of the case; raises whatever a reader lets through."""
    chance = random.Random(seed)
    kind = chance.choice(["xml", "xml", "xml", "zip", "zip", "gift", "gift", "txt", "csv"])
    data = mutated(chance.choice(SEEDS[kind]), chance)
    path = folder / f"case.{kind}"
    path.write_bytes(data)
    started = time.process_time()
    try:
        found = list(read(path, strict=True))
    except Refused:
        return "refused"
    finally:
        assert time.process_time() - started < MOST_SECONDS, seed
    return "read" if any(isinstance(each, Draft) for each in found) else "skipped"


def test_hundreds_of_broken_files(tmp_path):
    outcomes = {try_one(seed, tmp_path) for seed in range(600)}
    assert outcomes == {"read", "skipped", "refused"}


@pytest.mark.long
def test_ten_thousand_broken_files(tmp_path):
    outcomes = [try_one(seed, tmp_path) for seed in range(1_000_000, 1_010_000)]
    # A fuzz that only ever met the first check would prove little.
    assert min(outcomes.count(each) for each in ("read", "skipped", "refused")) > 500


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.gift", "\n\u00a0" * 500_000 + "{~a =b}"),
        ("x.txt", "\n" * 2_000_000 + "ANSWER: B"),
        ("x.txt", "a\n\n" * 500_000 + "A. x\nB. y\nANSWER: B"),
        ("x.txt", "Q\nA. x\nB. y\nANSWER: " + " " * 500_000 + "x\nANSWER: A"),
        ("x.gift", "q{~a#" + "{" * 500_000),
        ("x.gift", "[markdown]" + "**a" * 300_000 + "{~a =b}"),
        ("x.xml", "<quiz>&nbsp;" + "<![CDATA[" * 300_000),
        ("x.xml", item(stem="<p>" + " onabc" * 30_000 + "</p>")),
        ("x.xml", item(stem="<![CDATA[" + '<a "' * 2_900 + "]]>")),
        ("x.xml", item(stem="<![CDATA[" + "<div>" * 2_900 + "]]>")),
        ("x.xml", item(after='<modalFeedback identifier="A"/>' * 100_000)),
        ("x.csv", "question,a,b,answer\nx,y,z," + "a," * 300_000),
    ],
    ids=range(12),
)
def test_texts_made_to_be_slow(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    started = time.process_time()
    found = list(read(path, strict=True))
    assert time.process_time() - started < MOST_SECONDS
    assert found
