"""Items on paper: complete, readable by any reader, and with the key only where it was asked for."""

import io
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pypdf
import pytest

from testing_platform.itembank.exchange import write_print
from testing_platform.itembank.exchange.drafts import Choice
from testing_platform.itembank.exchange.write import write
from testing_platform.itembank.exchange.write_print import NoPrinter
from testing_platform.itembank.exchange.written import Outline, Section
from tests.itembank.exchange.test_writing import EITHER, ONE, PASSAGE, PICTURED, SEVERAL, SHARED, TRUE, WEIGHTED

ITEMS = [ONE, SHARED, replace(SHARED, identifier="CST-0002"), PICTURED, SEVERAL, WEIGHTED, EITHER, TRUE]


class Page(HTMLParser):
    """What a page is made of: headings, tags with their attributes, words."""

    def __init__(self, html):
        super().__init__()
        self.headings, self.tags, self.words, self.inside = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.inside.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if data.strip() and "style" not in self.inside:
            self.words.append(" ".join(data.split()))
            if self.inside and self.inside[-1] in ("h1", "h2", "h3"):
                self.headings.append((self.inside[-1], self.words[-1]))


def page_of(items=ITEMS, **how):
    return Page(write(items, "html", title="Customer service", **how).data.decode())


def test_a_page_has_its_headings_in_order_and_a_passage_once_above_its_questions():
    assert page_of().headings == [
        ("h1", "Customer service"),
        ("h2", "Question 1"),
        ("h2", "Text for questions 2 to 3"),
        ("h2", "Question 2"),
        ("h2", "Question 3"),
        *(("h2", f"Question {number}") for number in range(4, 9)),
    ]
    assert page_of().words.count("Open at nine.") == 1


def test_without_the_key_nothing_tells_it():
    words = " ".join(page_of(with_key=False).words)
    for secret in ("Answer key", "CST-0001", "Phones", "Who listens knows", "Later."):
        assert secret not in words
    assert words.count("Listen") == 7


def test_with_the_key_each_question_has_its_letters_item_and_reason():
    words = page_of(with_key=True).words
    key = words[words.index("Answer key") :]
    assert key[:5] == ["Answer key", "Question 1: B", "CST-0001 · Phones", "Who listens knows. Then act.", "A: Later."]
    assert "Question 5: A, B" in key
    assert "Question 7: any one of A, B" in key
    assert "A 1; B 2; C -1; at least 0; at most 3" in " ".join(key)


def test_a_form_prints_its_parts_with_their_times():
    outline = Outline(
        "A", "Form A 1", (Section("Calls", (ONE, SHARED), timedelta(minutes=20)), Section("Counter", (TRUE,))), timedelta(hours=1)
    )
    page = Page(write((), "html", outline, outline.title).data.decode())
    assert page.headings[:3] == [("h1", "Form A 1"), ("h2", "Calls (20 minutes)"), ("h3", "Question 1")]
    assert page.headings[-2:] == [("h2", "Counter"), ("h3", "Question 3")]
    assert "3 questions · 60 minutes" in page.words
    assert ("h3", "Text for question 2") in page.headings


def test_a_page_stands_by_itself_and_says_its_languages():
    spanish = replace(ONE, language="es", choices=(Choice("a", "Sí"), Choice("b", "No")))
    page = page_of([spanish, PICTURED])
    assert [attributes["src"][:22] for tag, attributes in page.tags if tag == "img"] == ["data:image/png;base64,"]
    assert not [tag for tag, attributes in page.tags if tag in ("script", "link") or "href" in attributes]
    assert page.tags[0] == ("html", {"lang": "en"})
    assert [attributes["lang"] for tag, attributes in page.tags if tag == "ol"] == ["es", "en"]
    assert all(attributes.get("translate") == "no" for tag, attributes in page.tags if tag == "ol")


def test_html_that_the_bank_would_not_hold_is_not_printed():
    page = page_of([replace(ONE, stem='<p>a</p><script>x</script><img src="http://example.org/x.png">', title="<b>")])
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]


def test_a_pdf_is_tagged_titled_and_the_same_each_time():
    items = [*ITEMS, replace(ONE, stem="<p>Is <math><msup><mi>c</mi><mn>2</mn></msup></math>?</p>")]
    export = write(items, "pdf", title="Customer service", with_key=True)
    assert export.data == write(items, "pdf", title="Customer service", with_key=True).data
    assert [(note.identifier, note.whole) for note in export.left] == [("CST-0001", False)]
    found = pypdf.PdfReader(io.BytesIO(export.data))
    root = found.trailer["/Root"]
    assert (root["/MarkInfo"]["/Marked"], str(root["/Lang"]), "/StructTreeRoot" in root) == (True, "en", True)
    assert b'pdfuaid:part="1"' in root["/Metadata"].get_object().get_data()
    assert found.metadata.title == "Customer service"
    text = " ".join(page.extract_text() for page in found.pages)
    assert "Is c^2?" in text
    assert "Answer key" in text
    assert "/CreationDate" not in found.metadata


def test_a_printer_that_crashes_once_is_begun_again_and_one_that_always_does_is_a_fault(monkeypatch):
    codes = [-11, 0]
    fake = SimpleNamespace(run=lambda command, **_: subprocess.CompletedProcess(command, codes.pop(0), b"%PDF"), PIPE=subprocess.PIPE)
    monkeypatch.setattr(write_print, "subprocess", fake)
    assert write_print.pdf_of("<html></html>") == b"%PDF"
    codes[:] = [-11, -11]
    with pytest.raises(subprocess.CalledProcessError):
        write_print.pdf_of("<html></html>")


def test_without_the_printer_a_pdf_is_refused_and_html_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(NoPrinter):
        write([ONE], "pdf")
    assert write([ONE], "html").written == 1


def test_an_empty_passage_title_leaves_no_empty_heading():
    page = page_of([replace(ONE, stimulus=replace(PASSAGE, title=""))])
    assert ("strong", {}) not in page.tags
