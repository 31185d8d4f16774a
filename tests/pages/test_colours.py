"""Every text can be read in both themes (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "assets"
TEXT, GRAPHIC = 4.5, 3.0
PLAIN = ("ground", "panel", "raised", "hover")
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "ink-soft", "ink-faint") for ground in PLAIN),
    *(("accent", ground, TEXT) for ground in (*PLAIN, "tint")),
    ("ink", "tint", TEXT),
    ("ink", "code-ground", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("ground", "ink", TEXT),
    ("danger", "danger-tint", TEXT),
    ("warn", "warn-tint", TEXT),
    ("line-strong", "raised", GRAPHIC),
    ("line-strong", "ground", GRAPHIC),
]
TWO = re.compile(r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")


def _tokens() -> dict[str, tuple[str, ...]]:
    lines = re.findall(r"--([a-z-]+): (.*);", (ASSETS / "style.css").read_text())
    return {name: found.groups() for name, value in lines if (found := TWO.fullmatch(value))}


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS, ids=lambda value: str(value))
def test_a_colour_stands_out_from_what_is_behind_it(
    front: str, back: str, least: float, theme: int
) -> None:
    tokens = _tokens()
    assert _contrast(tokens[front][theme], tokens[back][theme]) >= least


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_coloured_code_can_be_read(theme: int) -> None:
    ground = _tokens()["code-ground"][theme]
    colours = TWO.findall((ASSETS / "styles" / "text.css").read_text())
    assert len(colours) >= 8
    assert [pair[theme] for pair in colours if _contrast(pair[theme], ground) < TEXT] == []


def test_every_colour_is_named_once_for_both_themes() -> None:
    """A colour written where it is used would be forgotten by one of the themes."""
    for sheet in (ASSETS / "styles").glob("*.css"):
        bare = TWO.sub("", sheet.read_text())
        assert re.findall(r"#[0-9a-f]{3,8}\b|rgb\(", bare) == [], sheet.name


def test_every_name_that_is_used_exists() -> None:
    sheets = [path.read_text() for path in ASSETS.rglob("*.css") if "external" not in path.parts]
    known = set(re.findall(r"(--[a-z0-9-]+):", "".join(sheets)))
    assert set(re.findall(r"var\((--[a-z0-9-]+)", "".join(sheets))) <= known


def test_every_scrollbar_is_thin_and_of_one_colour() -> None:
    """Said once for all of them: one that says it again is one that looks different."""
    said = re.findall(r"scrollbar-(?:color|width): .*;", (ASSETS / "style.css").read_text())
    assert said == [
        "scrollbar-color: var(--line-strong) transparent;",
        "scrollbar-width: thin;",
    ]
    for sheet in (ASSETS / "styles").glob("*.css"):
        again = re.search(r"scrollbar-(color|width)|::-webkit-scrollbar", sheet.read_text())
        assert again is None, sheet.name
