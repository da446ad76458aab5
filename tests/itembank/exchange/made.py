"""Small files of every format, and packages of them."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

from testing_platform.itembank.exchange.drafts import Draft, Skip
from testing_platform.itembank.exchange.read import read

FOUR = {"A": "Apologize", "B": "Listen", "C": "Transfer", "D": "Hang up"}
MATCH = '<responseProcessing template="http://www.imsglobal.org/question/qti_v2p1/rptemplates/match_correct"/>'
MAP = '<responseProcessing template="http://www.imsglobal.org/question/qti_v2p1/rptemplates/map_response"/>'


def item(
    correct=("B",),
    mapping="",
    rules=MATCH,
    options=None,
    cardinality="single",
    most="1",
    stem="<p>What comes first?</p>",
    prompt="",
    extra="",
    attributes='adaptive="false" timeDependent="false"',
    after="",
    version="2p1",
    identifier="i1",
    shuffle="true",
    namespace=True,
):
    """A QTI 2.x item."""
    options = FOUR if options is None else options
    values = "".join(f"<value>{value}</value>" for value in correct)
    declared = f"<correctResponse>{values}</correctResponse>" if correct else ""
    choices = (
        options
        if isinstance(options, str)
        else "".join(f'<simpleChoice identifier="{key}">{text}</simpleChoice>' for key, text in options.items())
    )
    limit = f'maxChoices="{most}"' if most is not None else ""
    space = f'xmlns="http://www.imsglobal.org/xsd/imsqti_v{version}"' if namespace else ""
    return (
        f'<assessmentItem {space} identifier="{identifier}" title="A title" {attributes}>'
        f'<responseDeclaration identifier="RESPONSE" cardinality="{cardinality}" baseType="identifier">{declared}{mapping}</responseDeclaration>'
        '<outcomeDeclaration identifier="SCORE" cardinality="single" baseType="float"><defaultValue><value>0</value></defaultValue></outcomeDeclaration>'
        f'{extra}<itemBody>{stem}<choiceInteraction responseIdentifier="RESPONSE" shuffle="{shuffle}" {limit}>{prompt}{choices}</choiceInteraction></itemBody>'
        f"{rules}{after}</assessmentItem>"
    )


def item3(identifier="i3", correct="B", stem="<p>What comes first?</p>", extra="", language="en-US", rules=None):
    """A QTI 3.0 item."""
    rules = rules or '<qti-response-processing template="https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/match_correct.xml"/>'
    choices = "".join(
        f'<qti-simple-choice identifier="{key}" fixed="{"true" if key == "D" else "false"}">{text}</qti-simple-choice>'
        for key, text in FOUR.items()
    )
    return (
        f'<qti-assessment-item xmlns="http://www.imsglobal.org/xsd/imsqtiasi_v3p0" identifier="{identifier}" title="T" xml:lang="{language}" adaptive="false" time-dependent="false">'
        f'<qti-response-declaration identifier="RESPONSE" cardinality="single" base-type="identifier"><qti-correct-response><qti-value>{correct}</qti-value></qti-correct-response></qti-response-declaration>'
        f'<qti-outcome-declaration identifier="SCORE" cardinality="single" base-type="float"/>{extra}'
        f'<qti-item-body>{stem}<qti-choice-interaction response-identifier="RESPONSE" shuffle="true" max-choices="1"><qti-prompt>Choose.</qti-prompt>{choices}</qti-choice-interaction></qti-item-body>'
        f"{rules}</qti-assessment-item>"
    )


def manifest(*resources, head=""):
    rows = "".join(
        f'<resource identifier="{identifier}" type="{type}" href="{href}">{inner}</resource>' for identifier, type, href, inner in resources
    )
    return f'<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" identifier="M">{head}<organizations/><resources>{rows}</resources></manifest>'


def quiz(*questions):
    return f"<quiz>{''.join(questions)}</quiz>"


def multichoice(*answers, single="true", name="Q", text="<p>Pick.</p>", extra="", format="html", type="multichoice"):
    rows = "".join(
        f'<answer fraction="{fraction}" format="html"><text><![CDATA[{said}]]></text><feedback><text>because {said}</text></feedback></answer>'
        for fraction, said in answers
    )
    return (
        f'<question type="{type}"><name><text>{name}</text></name><questiontext format="{format}"><text><![CDATA[{text}]]></text>{extra}</questiontext>'
        f"<shuffleanswers>true</shuffleanswers><single>{single}</single>{rows}</question>"
    )


def package(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def packed(files: dict[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


def png(width=1, height=1):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def all_of(path: Path) -> list[Draft | Skip]:
    return list(read(path, strict=True))


def one(folder: Path, content: str | bytes, name: str = "item.xml") -> Draft | Skip:
    """The only thing found in a file."""
    (found,) = all_of(written(folder, name, content))
    return found
