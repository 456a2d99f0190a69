"""Text from outside can do no harm on a screen, and numbers, units and times read as a chart writes them."""

import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from wardgate.domain.cards.text import (
    LONGEST,
    Prepared,
    clean,
    date_text,
    escape,
    exact,
    exact_percent,
    outside,
    plain,
    time_text,
    unit_text,
    window_text,
)

GFM = MarkdownIt("gfm-like", {"html": True, "linkify": False})

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "`code`",
    "**bold** _em_ ~~gone~~",
    "a | b | c",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "> quote",
    "===",
    "---",
    "&lt;b&gt; &amp; &#106;",
    "\\<b>",
    "<https://evil.example>",
    "[ref]: https://evil.example",
    "~~~\nfence",
    "    code block",
    "+ item",
]


def rendered_text(markdown: str) -> str:
    """The text of what a GFM renderer makes of one cell; every tag it makes is returned as a tag."""
    return str(GFM.render(markdown)).strip()


def unescaped(html: str) -> str:
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, char)
    return html


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_a_paragraph_of_itself(text: str) -> None:
    """A GFM renderer with HTML on makes one paragraph of it, without any element inside."""
    html = rendered_text(escape(text))
    assert re.fullmatch(r"<p>[^<>]*</p>", html), html


@pytest.mark.requirement("CARD-3")
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_any_text_is_a_paragraph_of_itself(text: str) -> None:
    """Whatever the string, what a reader sees is the string, but for broken web addresses and white space."""
    html = rendered_text(escape(text))
    assert re.fullmatch(r"(<p>[^<>]*</p>)?", html), html
    if "://" not in text and "@" not in text and ":" not in text and "www." not in text.lower():
        seen = " ".join(unescaped(html.removeprefix("<p>").removesuffix("</p>")).split())
        assert seen == " ".join(clean(text).split())


@given(st.text(st.sampled_from("aw1.:/@ <>|&-+)(\\*_`[]~$#="), max_size=20))
def test_markup_alphabet_is_a_paragraph_of_itself(text: str) -> None:
    """The same over the characters that markup is made of, where the short cut and the full escape must agree."""
    html = rendered_text(escape(text))
    assert re.fullmatch(r"(<p>[^<>]*</p>)?", html), html


@pytest.mark.parametrize("text", ["https://evil.example", "www.evil.example", "WWW.evil.example", "a@evil.example"])
def test_bare_addresses_are_broken(text: str) -> None:
    """GFM links bare addresses without markup; broken up, none is left to link."""
    linking = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    escaped = escape(text)
    assert not re.search(r"://|www\.|\S@", escaped, re.IGNORECASE)
    assert "<a" not in linking.render(escaped)


def test_clean_leaves_one_visible_line() -> None:
    """Line breaks become spaces; controls, zero-width, bidi marks and lone surrogates vanish."""
    assert clean("a\nb\tc\r\u2028d") == "a b c  d"
    assert clean("a\x00b\u200bc\u202ed\ufeffe\ud800f\U000e0041g") == "abcdefg"
    assert clean("mL/min/1.73 m²") == "mL/min/1.73 m²"


@given(st.text())
def test_clean_text_is_printable(text: str) -> None:
    """Nothing that is not printable is left, and cleaning twice changes nothing."""
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


def test_outside_is_bounded() -> None:
    """A raw value of any length takes a bounded place on a card."""
    assert len(outside("x" * 10_000)) == LONGEST
    assert outside("x" * 10_000).endswith("…")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (71.0, "71"),
        (58.4, "58.4"),
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1234567"),
        (0.000012, "0.000012"),
        (-5.0, "-5"),
        (0.0, "0"),
        (1e20, "100000000000000000000"),
        (float("nan"), "not available"),
        (float("inf"), "not available"),
    ],
)
def test_plain_numbers(number: float, text: str) -> None:
    """Numbers as a chart writes them: no trailing zeros, no binary noise, no exponent."""
    assert plain(number) == text


def test_configured_numbers_keep_their_digits() -> None:
    """Thresholds are printed with the digits of their file, also in per cent."""
    assert (exact(0.1), exact(0.12345678), exact(1.0), exact(1e-6)) == ("0.1", "0.12345678", "1", "0.000001")
    assert (exact_percent(0.1), exact_percent(0.07), exact_percent(0.125)) == ("10 %", "7 %", "12.5 %")


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("mL/min/{1.73_m2}", "mL/min/1.73 m²"),
        ("mg/g", "mg/g"),
        ("10*9/L", "10⁹/L"),
        ("mm[Hg]", "mmHg"),
        ("Cel", "°C"),
        ("[degF]", "°F"),
        ("1", ""),
        ("{score}", ""),
        ("umol/L", "µmol/L"),
    ],
)
def test_units_read_as_written_on_the_ward(unit: str, text: str) -> None:
    """UCUM's codes are for machines."""
    assert unit_text(unit) == text


def test_windows_and_times() -> None:
    """A span in the unit it was written in; instants on the client's calendar and clock."""
    assert [window_text(s) for s in (365 * 86400, 86400, 43200, 600, 30, 0.5)] == [
        "365 days",
        "24 h",
        "12 h",
        "10 min",
        "30 s",
        "0.5 s",
    ]
    berlin = ZoneInfo("Europe/Berlin")
    assert time_text(1_772_460_300.0, berlin) == "2026-03-02 15:05 CET"
    assert date_text(1_772_492_399.0, berlin) == "2026-03-02"
    assert date_text(1_772_492_400.0, berlin) == "2026-03-03"


def test_prepared_text_is_both() -> None:
    """A prepared sentence prints plainly in a summary and escaped in a detail."""
    sentence = Prepared("a_b <c>")
    assert sentence == "a_b <c>" and sentence.markdown == "a\\_b &lt;c&gt;"
