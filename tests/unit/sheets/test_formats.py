"""Number formats."""

import pytest

from backend.sheets.formats import Format, Style, classify


@pytest.mark.parametrize(
    ("code", "style"),
    [
        ("General", Style.NUMBER),
        ("0", Style.NUMBER),
        ("0.00", Style.NUMBER),
        ("#,##0.00;[Red]-#,##0.00", Style.NUMBER),
        ("0.00E+00", Style.NUMBER),
        ('0.00" days"', Style.NUMBER),
        ("0%", Style.NUMBER),
        ('_-* #,##0.00 "kr"_-', Style.NUMBER),
        ("@", Style.NUMBER),
        ("", Style.NUMBER),
        (";;;", Style.NUMBER),
        ("yyyy-mm-dd", Style.DATE),
        ("d/m/yy", Style.DATE),
        ("mmm", Style.DATE),
        ("[$-409]mmmm d, yyyy;@", Style.DATE),
        ("dd\\.mm\\.yyyy", Style.DATE),
        ('yyyy"h"', Style.DATE),
        ("yyyy-mm-dd hh:mm:ss", Style.DATETIME),
        ("m/d/yy h:mm AM/PM", Style.DATETIME),
        ("hh:mm", Style.TIME),
        ("mm:ss.0", Style.TIME),
        ("[$-F400]h:mm:ss AM/PM", Style.TIME),
        ("[h]:mm:ss", Style.DURATION),
        ("[mm]:ss", Style.DURATION),
        ("[ss]", Style.DURATION),
    ],
)
def test_tells_dates_times_and_numbers_apart(code: str, style: Style) -> None:
    assert classify(code).style == style


@pytest.mark.parametrize(
    ("code", "template"),
    [
        ("00000", "00000"),
        ("00", "00"),
        ("000-00-0000", "000-00-0000"),
        ('"No. "000', "No. 000"),
        ("00000;[Red]0", "00000"),
    ],
)
def test_knows_formats_that_show_leading_zeros(code: str, template: str) -> None:
    assert classify(code) == Format(Style.PADDED, template)


@pytest.mark.parametrize("code", ["0", "00.00", "#00", "0,000", "00%", '"5"00'])
def test_other_zeros_are_numbers(code: str) -> None:
    assert classify(code).style == Style.NUMBER
