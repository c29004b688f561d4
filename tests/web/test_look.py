"""What docs/look.md promises of colours, measured from the tokens."""

import re

import pytest

from kener.web.assets import STATIC

TOKENS = (STATIC / "css/tokens.css").read_text()
HEX = r"#[0-9a-f]{6}"
COLOURS = {name: pair for name, *pair in re.findall(rf"--([\w-]+):\s*light-dark\(({HEX}), ({HEX})\)", TOKENS)}
LIGHT, DARK = 0, 1
STATUSES = ("up", "degraded", "down", "maintenance", "nodata")
SURFACES = ("page", "sheet", "well", "hover")
themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def contrast(one: str, other: str, theme: int) -> float:
    """The ratio of WCAG 2.2 between two tokens."""
    brighter, darker = sorted((luminance(COLOURS[name][theme]) for name in (one, other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@themes
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("text", ["ink", "ink-2", "accent", "accent-2"])
def test_text_can_be_read_on_every_surface(text: str, surface: str, theme: int):
    assert contrast(text, surface, theme) >= 4.5


@themes
@pytest.mark.parametrize("status", STATUSES)
def test_words_of_a_status_can_be_read_on_every_surface_and_on_their_tint(status: str, theme: int):
    for surface in (*SURFACES, f"{status}-tint"):
        assert contrast(f"{status}-ink", surface, theme) >= 4.5
        assert contrast("ink", f"{status}-tint", theme) >= 7


@themes
@pytest.mark.parametrize("status", STATUSES)
def test_shapes_of_a_status_stand_out(status: str, theme: int):
    for surface in ("page", "sheet", "hover"):
        assert contrast(status, surface, theme) >= 3
    if status != "nodata":
        assert contrast("sheet", status, theme) >= 3.6


@themes
def test_fields_and_the_main_button_stand_out(theme: int):
    assert contrast("edge", "sheet", theme) >= 3
    assert contrast("on-accent", "accent", theme) >= 4.5
    assert contrast("ink", "accent-tint", theme) >= 7


def test_browsers_without_light_dark_get_the_light_values():
    fallback = TOKENS.split("@supports not (color: light-dark(red, red))")[1]
    given = dict(re.findall(rf"--([\w-]+): ({HEX});", fallback))
    assert given == {name: pair[LIGHT] for name, pair in COLOURS.items()}


@pytest.mark.parametrize("layer", ["base", "layout", "components", "public", "manage"])
def test_colours_and_durations_are_written_in_the_tokens_only(layer: str):
    rules = (STATIC / f"css/{layer}.css").read_text()
    assert not re.findall(
        r"#[0-9a-f]{3,8}\b(?=[;\s,)])|rgba?\(|hsl\(|\b\d+m?s\b(?=[\s;,])", re.sub(r"/\*.*?\*/", "", rules)
    )


def test_every_colour_that_rules_use_exists():
    sources = "".join(path.read_text() for path in (STATIC / "css").glob("*.css"))
    defined = set(re.findall(r"(--[\w-]+)\s*:", sources)) | {"--at"}
    assert set(re.findall(r"var\((--[\w-]+)", sources)) <= defined
