"""Every slide, opened from the file system: all of it fits its screen, and nothing is fetched."""

import slides

import os

import pytest

from .conftest import chromium

chromium()  # or nothing is collected
DECKS = [path.stem for path in sorted(slides.TEXTS.glob("[0-9]*.md"))]
SCREENS = [(1280, 720), (1920, 1080)]
READY = "() => window.Reveal && Reveal.isReady() && [...document.images].every(i => i.complete)"
# On a slide of 1280 x 720: what comes within `margin` of its edges, pictures that are drawn at
# less than 0.8 of their size, and formulas in less than 20 px. Boxes are those on the screen.
FAULTS = """margin => {
    const slide = Reveal.getCurrentSlide(), scale = Reveal.getScale()
    const box = slide.getBoundingClientRect(), found = []
    for (const each of slide.querySelectorAll(":not(aside, aside *, mjx-assistive-mml *)")) {
        const {left, top, right, bottom, width} = each.getBoundingClientRect()
        const name = `${each.tagName} ${each.textContent.slice(0, 40)}`
        const room = [left - box.left, top - box.top, box.right - right, box.bottom - bottom]
        if (width && Math.min(...room) < margin * scale) found.push(`${name} leaves the slide`)
        if (each.tagName === "IMG") {
            const {naturalWidth, naturalHeight, clientWidth, clientHeight} = each
            const drawn = Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight)
            if (!(drawn >= 0.8)) found.push(`${each.alt} is drawn at ${drawn}`)
        }
        const formula = each.matches("mjx-container[display]")
        if (formula && parseFloat(getComputedStyle(each).fontSize) < 20)
            found.push(`${name} is too small`)
    }
    if (slide.scrollHeight > slide.clientHeight) found.push("it is too high")
    return found
}"""

CODE_SIZES = """() => [...document.querySelectorAll(".slides section:not(:has(figure)) pre")]
    .map(each => parseFloat(getComputedStyle(each).fontSize))"""


@pytest.fixture(scope="module")
def folder(browser, tmp_path_factory):
    """Where the decks are, as `make slides` makes them."""
    into = tmp_path_factory.mktemp("decks") / "slides"
    try:
        slides.main(["--into", str(into)])
    except slides.Fault as fault:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(fault))
    return into


@pytest.fixture
def opened(browser, folder):
    """Opens a deck; says what it asked for and complained of."""
    with browser.new_context() as context:
        page = context.new_page()
        page.said, page.fetched = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda wanted: page.fetched.append(wanted.url))
        page.on("requestfailed", lambda wanted: page.said.append(f"{wanted.url} failed"))

        def call(name):
            page.goto((folder / f"{name}.html").as_uri())
            page.wait_for_function(READY)
            return page

        yield call


@pytest.mark.parametrize("name", DECKS)
def test_every_slide_fits_its_screen_and_fetches_nothing(name, opened):
    page = opened(name)
    count = page.evaluate("Reveal.getTotalSlides()")
    assert count > 1
    sizes = page.evaluate(CODE_SIZES)
    assert not sizes or max(sizes) > 22, "code does not fill its slide"
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("Reveal.layout()")
        assert page.evaluate("Reveal.getScale() * Reveal.getConfig().width") == width
        for number in range(count):
            page.evaluate(f"Reveal.slide({number})")
            assert page.evaluate(FAULTS, 16) == [], f"slide {number + 1}, {width}"
    assert not page.said
    assert all(url.startswith("file:") for url in page.fetched)


def test_the_speaker_view_follows_the_deck(opened):
    page = opened(DECKS[0])
    with page.expect_popup() as opening:
        page.keyboard.press("s")
    notes = opening.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("2 minutes.").wait_for()
    page.keyboard.press("ArrowRight")
    notes.get_by_text("Expect").wait_for()
    assert not page.said
