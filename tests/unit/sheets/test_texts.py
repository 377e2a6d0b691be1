"""XML entities, line ends and Excel's escapes."""

import polars as pl
import pytest

from backend.sheets import texts


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("a &amp; b &lt;c&gt; &quot;d&quot; &apos;", 'a & b <c> "d" \''),
        ("&amp;lt;", "&lt;"),
        ("&#26085;&#x671f;", "日期"),
        ("&amp;#65;", "&#65;"),
        ("&#xD800;", "&#xD800;"),
        ("&unknown;", "&unknown;"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("bell _x0007_", "bell \a"),
        ("_x005F_x0041_", "_x0041_"),
        ("_x00e9_", "é"),
        ("_xD83D__xDE00_", "😀"),
        ("_xD83D_ alone _x0041_", "_xD83D_ alone A"),
        ("_x12_", "_x12_"),
    ],
)
def test_decodes(raw: str, text: str) -> None:
    series = pl.Series(["before", raw, None, "after"])
    assert texts.decode(series).to_list() == ["before", text, None, "after"]
