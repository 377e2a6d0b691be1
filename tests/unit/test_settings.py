"""Settings: read once, typos refused, sizes with units."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.settings import Settings, SettingsError, load


def test_nothing_given_gives_the_defaults() -> None:
    assert load({"HOME": "/nowhere"}) == Settings()


def test_variables_are_converted_and_flags_win() -> None:
    settings = load({"SHEAF_PORT": "1", "SHEAF_DATA": "/srv", "SHEAF_WORKERS": "3"}, port=2, data=None)
    assert (settings.port, settings.data, settings.workers) == (2, Path("/srv"), 3)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 2**30), ("500 MB", 500_000_000), ("17", 17), ("1.5kib", 1536), ("3b", 3)],
)
def test_sizes_take_units(text: str, size: int) -> None:
    assert load({"SHEAF_MAX_UPLOAD": text}).max_upload == size


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHEAF_PROT", "1", "no such setting: SHEAF_PROT"),
        ("SHEAF_PORT", "many", "port"),
        ("SHEAF_PORT", "70000", "port"),
        ("SHEAF_WORKERS", "0", "workers"),
        ("SHEAF_MAX_UPLOAD", "large", "'large' is no size"),
        ("SHEAF_MAX_UPLOAD", "2 parsecs", "is no size"),
        ("SHEAF_REGISTRATION", "maybe", "registration"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load({name: value})


def test_each_setting_is_explained() -> None:
    source = (Path(__file__).parents[2] / "backend/settings.py").read_text()
    for name in Settings.__struct_fields__:
        assert f"    {name}: " in source
        assert source.partition(f"    {name}: ")[2].splitlines()[1].startswith('    """'), name
