"""Extracts the text of a file: text, Markdown and code as they are; PDF as text, HTML and Word as Markdown, by libraries."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from anaphora.documents.pieces import Page
from anaphora.errors import DocumentError, MissingExtra
from anaphora.values.message import repaired_text

MOST_BYTES = 100_000_000
# The shares of zero bytes in the two halves of a text in UTF-16.
_MANY_ZEROS, _FEW_ZEROS = 0.3, 0.05
_MOST_PAGES = 5_000
# The most bytes that a Word file may unpack to.
_MOST_UNPACKED = 300_000_000
_KINDS = "PDF, HTML, Word (.docx), Markdown and text can be read."
_HTML = (".html", ".htm", ".xhtml")
# The kinds that other libraries read, by the end of the name.
KINDS_OF_LIBRARIES = (*_HTML, ".docx", ".pdf")
# The encodings that are guessed, for files of Windows programs and old editors in most languages.
_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "koi8_r", "utf_16_le", "utf_16_be"),
)
_MARKDOWN = (".md", ".markdown", ".mdown", ".html", ".htm", ".xhtml", ".docx")


@dataclass(frozen=True, slots=True)
class Extracted:
    """The pages of a file. ``encoding`` is the guessed encoding of a text that is not UTF-8; else it is empty."""

    pages: list[Page]
    is_markdown: bool
    encoding: str = ""


def extracted(name: str, data: bytes) -> Extracted:
    """Gives the pages of a file. Raises DocumentError and MissingExtra."""
    encoding = ""
    if len(data) > MOST_BYTES:
        raise DocumentError(f"{name} has more than {MOST_BYTES // 1_000_000} MB: split it first.")
    suffix = f".{name.rpartition('.')[2].lower()}" if "." in name else ""
    if data.startswith(b"%PDF-") or suffix == ".pdf":
        pages = _guarded(name, _pdf, data)
    elif data.startswith(b"PK\x03\x04"):
        if suffix != ".docx":
            raise DocumentError(
                f"{name} is an archive, or of a kind that cannot be read: PDF, HTML, Word (.docx) and text can be."
            )
        pages = [Page(_guarded(name, _word, data))]
    elif suffix in _HTML:
        pages = [Page(_guarded(name, _html, data))]
    else:
        text, encoding = _text(name, data)
        pages = [Page(text)]
    # Fonts of PDF files, for example, may give half characters.
    pages = [Page(repaired_text(page.text), page.number) for page in pages]
    if not any(page.text.strip() for page in pages):
        reason = (
            "it is probably scanned, so let a program for text recognition read it first" if suffix == ".pdf" else "it is empty"
        )
        raise DocumentError(f"{name} has no text: {reason}.")
    return Extracted(pages, suffix in _MARKDOWN, encoding)


def _text(name: str, data: bytes) -> tuple[str, str]:
    """Gives a text, and its encoding if that is a guess."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _guessed(name, data, f"byte 0x{data[error.start]:02x} at position {error.start + 1}")
    if "\0" in text:
        return _guessed(name, data, f"zero byte at position {text.index(chr(0)) + 1}")
    return text, ""


def _guessed(name: str, data: bytes, where: str) -> tuple[str, str]:
    """Gives a text that is not UTF-8, by a guess. Raises DocumentError for bytes that are no text."""
    wide = _wide(data)
    if wide:
        return data.decode(wide, "replace"), wide
    if b"\0" not in data:
        try:
            from charset_normalizer import from_bytes
        except ImportError:
            convert = 'Text in other encodings needs an extra package: pip install "anaphora[docs]".'
            raise DocumentError(f"{name} is not text in UTF-8 ({where}). {_KINDS} {convert}") from None
        found = from_bytes(data, cp_isolation=list(_ENCODINGS), preemptive_behaviour=False)
        best = found.best()
        if best is not None:
            # Of encodings that fit equally well, that of Western Europe is the most used.
            equal = [one for one in found if (one.chaos, one.coherence) == (best.chaos, best.coherence)]
            best = next((one for one in equal if one.encoding == "cp1252"), best)
            return str(best), "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding
    raise DocumentError(f"{name} is no text ({where}), nor of a kind that can be read. {_KINDS}")


def _wide(data: bytes) -> str:
    """Gives the encoding of a text in UTF-16 without a mark: every second byte of Latin letters is zero. Empty if it is none."""
    half = max(len(data) // 2, 1)
    zeros = (data[0::2].count(0) / half, data[1::2].count(0) / half)
    if len(data) % 2 == 0 and max(zeros) > _MANY_ZEROS and min(zeros) < _FEW_ZEROS:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return ""


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
