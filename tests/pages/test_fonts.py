"""The fonts that come with the app: few bytes, Latin only, shown when they are there."""

import re
from pathlib import Path
from typing import Any

from chat_app.pages import add_pages

ASSETS = Path(__file__).parents[2] / "assets"
FONTS = ASSETS / "fonts"
MAX_BYTES = 120_000
CJK, ARABIC, CYRILLIC = 0x4E2D, 0x0639, 0x0416


def _faces() -> list[dict[str, str]]:
    sheets = "".join(path.read_text() for path in ASSETS.rglob("*.css"))
    bodies = re.findall(r"@font-face \{(.*?)\}", sheets, re.DOTALL)
    return [dict(re.findall(r"([a-z-]+): (.*);", body)) for body in bodies]


def _has(face: dict[str, str], point: int) -> bool:
    ends = re.findall(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?", face["unicode-range"])
    return any(int(low, 16) <= point <= int(high or low, 16) for low, high in ends)


def test_the_fonts_are_two_families_below_the_limit_with_their_licences() -> None:
    files = {path.name for path in FONTS.glob("*.woff2")}
    named = {Path(re.findall(r'url\("/fonts/(.*?)"\)', face["src"])[0]).name for face in _faces()}
    assert named == files
    assert sum((FONTS / name).stat().st_size for name in files) <= MAX_BYTES
    families = {re.split(r"-\d", name)[0] for name in files}
    assert len(families) == 2
    for family in families:
        assert "SIL OPEN FONT LICENSE" in (FONTS / f"{family}-LICENSE.txt").read_text().upper()


def test_text_is_seen_before_its_font_and_other_scripts_have_the_system_s() -> None:
    for face in _faces():
        assert face["font-display"] == "swap"
        assert face["font-weight"] == "100 900"
        assert not any(_has(face, point) for point in (CJK, ARABIC, CYRILLIC))
    text = [face for face in _faces() if face["font-family"] == '"Geist Variable"']
    for style in ("normal", "italic"):
        for letter in "aZ0é€łşő":
            assert any(_has(f, ord(letter)) for f in text if f["font-style"] == style), letter
    style = (ASSETS / "style.css").read_text()
    for name, face, last in (
        ("sans", "Geist Variable", "sans-serif"),
        ("mono", "Geist Mono Variable", "monospace"),
    ):
        assert re.search(rf'--{name}: "{face}", .*{last};', style)


def test_the_text_font_is_loaded_with_the_page() -> None:
    class App:
        stylesheets: list[str] = []
        head_components: list[Any] = []

        def add_page(self, *_: object, **__: object) -> None:
            pass

    add_pages(App())  # pyright: ignore[reportArgumentType]
    head = " ".join(str(component) for component in App.head_components)
    (preloaded,) = re.findall(r"/fonts/([\w.-]+\.woff2)", head)
    assert (FONTS / preloaded).is_file()
