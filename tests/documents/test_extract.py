"""Reading files of every kind, and what is said of those that cannot be read."""

import pytest
from tests.doubles.documents import archive_of, pdf, word

from anaphora.documents.extract import extracted
from anaphora.documents.pieces import Page, pieces_of
from anaphora.errors import DocumentError


def test_a_pdf_is_read_page_by_page():
    pages, markdown = extracted("report.pdf", pdf("Peas are green.", "Tomatoes are red."))
    assert pages == [Page("Peas are green.", 1), Page("Tomatoes are red.", 2)]
    assert not markdown


def test_html_becomes_markdown_without_scripts():
    page = "<html><head><title>t</title></head><body><h1>Garden</h1><script>evil()</script><p>Peas <b>now</b>.</p></body></html>"
    pages, markdown = extracted("page.html", page.encode())
    (piece,) = pieces_of(pages, markdown=markdown)
    assert (piece.headings, piece.text) == (("Garden",), "Peas **now**.")


def test_a_word_file_becomes_markdown():
    pages, markdown = extracted("plan.docx", word(("Heading1", "Garden"), ("Normal", "Peas in March.")))
    (piece,) = pieces_of(pages, markdown=markdown)
    assert (piece.headings, piece.text) == (("Garden",), "Peas in March.")


@pytest.mark.parametrize(
    "data",
    ["Grüße".encode(), b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe", "Grüße".encode("utf-16")],
    ids=["utf-8", "with a mark", "utf-16"],
)
def test_text_is_text(data: bytes):
    assert extracted("a.txt", data) == ([Page("Grüße")], False)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.txt", b"caf\xe9", r"neither text in UTF-8 \(byte 0xe9 at position 4\)"),
        ("a.bin", b"a\0b", "zero bytes"),
        ("a.pdf", b"%PDF-1.4 nonsense", "damaged or protected"),
        ("a.pdf", pdf(""), "probably scanned"),
        ("a.zip", archive_of(10), "an archive, or of a kind that cannot be read"),
        ("a.docx", archive_of(10), "damaged or protected"),
        ("a.docx", archive_of(310_000_000), "far too much"),
        ("a.html", b"<html></html>", "it is empty"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_reason(name: str, data: bytes, reason: str):
    with pytest.raises(DocumentError, match=reason):
        extracted(name, data)
