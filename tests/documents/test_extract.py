"""Reading files of every kind, and what is said of those that cannot be read."""

import pytest
from tests.doubles.documents import archive_of, pdf, word

from anaphora.documents.extract import Extracted, extracted
from anaphora.documents.pieces import Page, pieces_of
from anaphora.errors import DocumentError


def test_a_pdf_is_read_page_by_page():
    found = extracted("report.pdf", pdf("Peas are green.", "Tomatoes are red."))
    assert found == Extracted([Page("Peas are green.", 1), Page("Tomatoes are red.", 2)], is_markdown=False)


def test_html_becomes_markdown_without_scripts():
    page = "<html><head><title>t</title></head><body><h1>Garden</h1><script>evil()</script><p>Peas <b>now</b>.</p></body></html>"
    found = extracted("page.html", page.encode())
    (piece,) = pieces_of(found.pages, markdown=found.is_markdown)
    assert (piece.headings, piece.text) == (("Garden",), "Peas **now**.")


def test_a_word_file_becomes_markdown():
    found = extracted("plan.docx", word(("Heading1", "Garden"), ("Normal", "Peas in March.")))
    (piece,) = pieces_of(found.pages, markdown=found.is_markdown)
    assert (piece.headings, piece.text) == (("Garden",), "Peas in March.")


@pytest.mark.parametrize(
    "data",
    ["Grüße".encode(), b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe", "Grüße".encode("utf-16")],
    ids=["utf-8", "with a mark", "utf-16"],
)
def test_text_is_text(data: bytes):
    assert extracted("a.txt", data) == Extracted([Page("Grüße")], is_markdown=False)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "it is empty"),
        ("a.bin", b"a\0b", r"no text \(zero byte at position 2\)"),
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


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Le café français est très bon, à côté de la forêt. Noël, où, ça, œuvre.\nIl a été élevé là-bas.\n", "cp1252"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. Čeština je krásný jazyk, řekl učitel.\n", "cp1250"),
        ("Stadt;Straße;Preis\nKöln;Große Neugasse;12,50 €\nZürich;Bahnhofstraße;9,90 €\n", "cp1252"),
        ("name,city\n田中,東京\n佐藤,大阪\n", "cp932"),
        ("北京的天气很好，上海也很好。", "gb18030"),
        ("안녕하세요 오늘 날씨가 좋네요", "cp949"),
        ("Привет, как дела? Сегодня хорошая погода.", "cp1251"),
        ("Zażółć gęślą jaźń, proszę bardzo", "cp1250"),
        ("Köln is large", "utf-16-le"),
        ("Köln is large", "utf-16-be"),
    ],
)
def test_a_text_in_another_encoding_is_read_and_that_it_is_a_guess_is_told(text: str, encoding: str):
    found = extracted("a.csv", text.encode(encoding))
    # Several encodings have the same letters at the same places.
    assert (found.pages, text.encode(found.encoding)) == ([Page(text)], text.encode(encoding))


def test_the_encoding_that_a_page_names_holds():
    page = b'<html><head><meta charset="windows-1252"></head><body><p>Stra\xdfe in K\xf6ln</p></body></html>'
    assert extracted("page.html", page).pages == [Page("Straße in Köln")]


def test_half_characters_are_repaired():
    assert extracted("a.html", b"<p>a&#xD835;&#xDF0E;b &#xD835; c</p>").pages[0].text.encode()
