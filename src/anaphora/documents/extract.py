"""Extracts the text of a file: text, Markdown and code as they are; PDF as text, HTML and Word as Markdown, by libraries."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from typing import Any

from anaphora.documents.pieces import Page
from anaphora.errors import DocumentError, MissingExtra

_MOST_BYTES = 100_000_000
_MOST_PAGES = 5_000
# The most bytes that a Word file may unpack to.
_MOST_UNPACKED = 300_000_000
_KINDS = "PDF, HTML, Word (.docx), Markdown and text can be read."
_MARKDOWN = (".md", ".markdown", ".mdown", ".html", ".htm", ".xhtml", ".docx")


def extracted(name: str, data: bytes) -> tuple[list[Page], bool]:
    """Gives the pages of a file, and True if they are Markdown. Raises DocumentError and MissingExtra."""
    if len(data) > _MOST_BYTES:
        raise DocumentError(f"{name} has more than {_MOST_BYTES // 1_000_000} MB: split it first.")
    suffix = f".{name.rpartition('.')[2].lower()}" if "." in name else ""
    if data.startswith(b"%PDF-") or suffix == ".pdf":
        pages = _guarded(name, _pdf, data)
    elif data.startswith(b"PK\x03\x04"):
        if suffix != ".docx":
            raise DocumentError(
                f"{name} is an archive, or of a kind that cannot be read: PDF, HTML, Word (.docx) and text can be."
            )
        pages = [Page(_guarded(name, _word, data))]
    elif suffix in {".html", ".htm", ".xhtml"}:
        pages = [Page(_guarded(name, _html, data))]
    else:
        pages = [Page(_text(name, data))]
    if not any(page.text.strip() for page in pages):
        reason = (
            "it is probably scanned, so let a program for text recognition read it first" if suffix == ".pdf" else "it is empty"
        )
        raise DocumentError(f"{name} has no text: {reason}.")
    return pages, suffix in _MARKDOWN


def _text(name: str, data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte 0x{data[error.start]:02x} at position {error.start + 1}"
        convert = "Text in another encoding can be converted: iconv -f latin1 -t utf-8."
        raise DocumentError(
            f"{name} is neither text in UTF-8 ({where}) nor of a kind that can be read. {_KINDS} {convert}"
        ) from error
    if "\0" in text:
        raise DocumentError(f"{name} is not a text: it has zero bytes in it.")
    return text


def _guarded(name: str, read: Callable[[bytes], Any], data: bytes) -> Any:
    """Runs an extractor. Raises MissingExtra for a missing library, DocumentError for any other failure."""
    try:
        return read(data)
    except (MissingExtra, DocumentError):
        raise
    except ImportError as error:
        raise MissingExtra(f'to read {name} an extra package is needed: pip install "anaphora[docs]"') from error
    except RecursionError:
        raise DocumentError(f"{name} cannot be read: it is nested too deeply.") from None
    except Exception as error:
        raise DocumentError(
            f"{name} cannot be read, it is damaged or protected: {' '.join(str(error).split())[:200]}."
        ) from error


def _pdf(data: bytes) -> Sequence[Page]:
    import pypdf

    # pypdf would report its repairs on standard error.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is protected by a password")
    if len(reader.pages) > _MOST_PAGES:
        raise ValueError(f"it has more than {_MOST_PAGES} pages")
    return [Page(page.extract_text() or "", number) for number, page in enumerate(reader.pages, 1)]


def _html(data: bytes) -> str:
    import bs4
    import markdownify

    page = bs4.BeautifulSoup(data, "html.parser")
    for hidden in page(["script", "style", "noscript", "template", "nav", "svg", "head"]):
        hidden.decompose()
    return str(markdownify.MarkdownConverter(heading_style="ATX", strip=["img"]).convert_soup(page))


def _word(data: bytes) -> str:
    import zipfile

    import mammoth

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(one.file_size for one in archive.infolist()) > _MOST_UNPACKED:
            raise ValueError("it unpacks to far too much")
    return _html(mammoth.convert_to_html(io.BytesIO(data)).value.encode())
