"""Answers as HTML: what a model says is shown, and nothing of it runs or is fetched."""

from __future__ import annotations

import pytest

from anaphora.server.web.markdown import block_html, html_blocks, html_of

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "![x](https://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    '<a href="javascript:alert(1)">x</a>',
    "<svg/onload=alert(1)>",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "`<script>alert(1)</script>`",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "$<script>alert(1)</script>$",
    "$$\\href{javascript:alert(1)}{x}$$",
    "<iframe src=//evil.example></iframe>",
    "<style>@import '//evil.example'</style>",
    '<div style="background:url(//evil.example)">x</div>',
    "[x](//evil.example)",
    "<https://evil.example/<script>>",
    "[x]: javascript:alert(1)\n\n[x]",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_model_says_becomes_markup_of_its_own(attack: str):
    html = html_of(attack).lower()
    for wrong in ("<script", "<img", "<iframe", "<style", "<svg", 'href="javascript', 'href="data', 'href="vb', 'href="//'):
        assert wrong not in html, html


def test_code_is_coloured_and_can_be_copied():
    html = block_html("```python\nif x:\n    return 1\n```")
    assert '<span class="k">return</span>' in html
    assert 'data-do="copy-code"' in html
    assert "<span>python</span>" in html
    assert "x &lt; y" in block_html("```nonsense\nx < y\n```")


def test_formulas_become_mathml_or_stay_as_they_are():
    assert "<math" in html_of("The area is $\\pi r^2$.")
    assert 'display="block"' in html_of("$$\\frac{1}{2}$$")
    assert "<math" not in html_of("It costs $5 and $6.")


def test_links_open_elsewhere_and_tables_scroll():
    assert '<a href="https://example.org" rel="noreferrer noopener" target="_blank">x</a>' in html_of("[x](https://example.org)")
    assert html_of("| a |\n|---|\n| b |").startswith('<div class="scroll"')
    assert html_blocks("") == []
    assert len(html_blocks("one\n\ntwo\n\nthree")) == 3
