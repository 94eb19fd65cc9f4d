"""The recorded widgets in a page, where no kernel runs: what is moved is what is seen."""

import sprites

import re

import numpy as np
import pytest
from test_sprites import NAMES, Recorded

from .conftest import chromium

chromium()  # or nothing is collected
PAGE = '<!doctype html><html lang="en"><title>A widget</title><main>{}</main></html>'
SETTLED = "image => image.decode()"  # waits until the picture is there


@pytest.fixture
def opened(browser):
    """Opens fragments in one page; afterwards, nothing was fetched and nothing went wrong."""
    said, requests = [], []
    with browser.new_page(viewport={"width": 1100, "height": 1200}) as page:
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: requests.append(request.url[:100]))

        def opened(*names):
            page.set_content(PAGE.format("".join(Recorded(name).text for name in names)))
            return [Shown(page, name) for name in names]

        yield opened
        assert said == [] and [url for url in requests if not url.startswith("data:")] == []


class Shown:
    """A recorded widget on a page."""

    def __init__(self, page, name):
        self.page, self.recorded = page, Recorded(name)
        self.figure = page.locator(f"#sprite_{name}")
        self.image = self.figure.locator("img")
        self.inputs = self.figure.locator("input").all()

    def place(self):
        """Where the inputs are."""
        at = "each => each.type === 'checkbox' ? String(Number(each.checked)) : each.value"
        return ",".join(each.evaluate(at) for each in self.inputs)

    def check(self):
        """The picture, to the pixel, and the text are those of this place."""
        url, text = self.recorded.frames[self.place()]
        assert self.image.get_attribute("src") == url
        assert self.text() == text
        self.image.evaluate(SETTLED)
        box = {side: round(at) for side, at in self.image.bounding_box().items()}
        pixels = sprites.pixels(self.page.screenshot(clip=box))
        assert np.array_equal(pixels, self.recorded.pixels(self.place()))

    def text(self):
        return self.figure.locator("output").inner_text()

    def press(self, control):
        """A key that moves it."""
        if control.get_attribute("type") == "checkbox":
            control.press(" ")
        else:
            control.press("ArrowRight" if self.in_the_left_half(control) else "ArrowLeft")

    def click(self, control):
        """On a checkbox or, of a slider, the half where it is not."""
        box, share = control.bounding_box(), 0.5
        if control.get_attribute("type") == "range":
            share = 0.9 if self.in_the_left_half(control) else 0.1
        control.click(position={"x": share * box["width"], "y": box["height"] / 2})

    def in_the_left_half(self, control):
        return 2 * int(control.input_value()) < int(control.get_attribute("max"))


@pytest.mark.parametrize("name", NAMES)
def test_each_control_follows_keys_and_the_mouse(name, opened):
    (shown,) = opened(name)
    shown.check()
    for control in shown.inputs:
        for move in (shown.press, shown.click):
            before = shown.place()
            move(control)
            assert shown.place() != before
            shown.check()


def test_widgets_of_one_page_leave_each_other_alone(opened):
    first, second = opened("01_gaussian_sliders", "03_bound_sliders")
    before = second.place()
    first.press(first.inputs[0])
    first.check()
    assert second.place() == before
    second.check()


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_reader_is_told_what_each_control_is_and_where(name, opened):
    (shown,) = opened(name)
    shown.press(shown.inputs[0])
    tree = shown.figure.aria_snapshot()
    named = re.findall(r'- (?:slider|checkbox) "(.+?)"', tree)
    assert len(set(named)) == len(shown.inputs), "each has a name of its own"
    assert "- status" in tree and re.search("img ..", tree)
    for control in shown.inputs:
        if control.get_attribute("type") == "range":
            assert control.get_attribute("aria-valuetext") in shown.text()


def test_a_phone_shows_all_of_it(browser):
    with browser.new_page(viewport={"width": 360, "height": 700}) as page:
        page.set_content(PAGE.format("".join(Recorded(name).text for name in NAMES)))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
