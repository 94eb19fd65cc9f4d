"""A notebook in JupyterLab, as its reader sees and moves it."""

import ast
import re
from contextlib import closing, contextmanager

import pytest
from jupyter_client import BlockingKernelClient
from playwright.sync_api import TimeoutError

RUN_TIMEOUT = 600  # seconds for all cells of a notebook: stops what hangs, not what is slow
SETTLED = 10  # seconds after which a picture that is still wrong counts as wrong

SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) "
PROMPTS = SHOWN + ".jp-CodeCell .jp-InputPrompt"
ERRORS = SHOWN + '[data-mime-type="application/vnd.jupyter.error"]'
WIDGETS = SHOWN + ".jp-CodeCell:has(img.widget-image)"
CONTROLS = ".noUi-handle, .widget-toggle-button"

ALL_RUN = """([prompts, errors]) => document.querySelector(errors)
    || [...document.querySelectorAll(prompts)].every(each => /[0-9]/.test(each.textContent))"""
VALUES = """controls => controls.map(each => each.matches(".noUi-handle")
    ? each.closest(".noUi-target").noUiSlider.get() : each.classList.contains("mod-active"))"""
KEY = """control => !control.matches(".noUi-handle") ? " "
    : 2 * control.ariaValueNow < +control.ariaValueMin + +control.ariaValueMax
    ? "ArrowRight" : "ArrowLeft" """
IS_SHOWN = """async ([image, picture]) => {
    const reader = new FileReader(), blob = await (await fetch(image.src)).blob()
    const read = new Promise(done => reader.onload = done)
    reader.readAsDataURL(blob)
    await read
    return image.complete && image.naturalWidth > 0 && reader.result === picture
}"""
# For each key, when the next picture is there; and the frames without any. While the next one
# loads, the picture is incomplete and 0 wide, but Chromium goes on showing the last one.
WATCH = """image => {
    image.empty = 0
    image.delays = []
    addEventListener("keydown", event => image.pressed = event.timeStamp, true)
    image.addEventListener("load", event => {
        if (image.pressed) image.delays.push(event.timeStamp - image.pressed)
        image.pressed = null
    })
    const look = () => {
        image.empty += !image.offsetHeight || (image.complete && !image.naturalWidth)
        requestAnimationFrame(look)
    }
    look()
}"""


@contextmanager
def opened(context, folder, *names):
    """The notebooks, in one window; the last is in front. Then their kernels are shut down."""
    with closing(context.new_page()) as page:
        said = []
        page.on("console", lambda message: said.append((message.type, message.text)))
        page.on("pageerror", lambda error: said.append(("error", str(error))))
        page.goto(f"lab/workspaces/tests/tree/{names[0]}?reset")
        notebooks = []
        try:
            for name in names:
                if notebooks:
                    page.locator(".jp-DirListing-item", has_text=name).dblclick()
                notebooks.append(Notebook(page, name, folder / "JUPYTER_RUNTIME_DIR", said))
            yield notebooks
        finally:
            for notebook in notebooks:
                notebook.close()


class Notebook:
    """An open notebook and its kernel. Of several in one page, one is in front."""

    def __init__(self, page, name, runtime, said):
        self.page, self.name, self.said = page, name, said
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        sessions = page.request.get("api/sessions").json()
        (self.kernel,) = (each["kernel"]["id"] for each in sessions if each["path"] == name)
        self.client = BlockingKernelClient()
        self.client.load_connection_file(str(runtime / f"kernel-{self.kernel}.json"))
        self.client.start_channels()
        self.ask("__import__('twins').watch()")

    def close(self):
        self.client.stop_channels()
        self.page.request.delete(f"api/kernels/{self.kernel}")

    def to_front(self):
        self.page.get_by_role("tab", name=self.name).click()

    def run_all(self):
        """Until all cells are done, or one has failed."""
        for item in ("Run", "Run All Cells"):
            self.page.get_by_role("menuitem", name=item, exact=True).click()
        self.page.wait_for_function(ALL_RUN, arg=[PROMPTS, ERRORS], timeout=1000 * RUN_TIMEOUT)

    def errors(self):
        return self.page.locator(ERRORS).all_inner_texts()

    def widgets(self):
        cells = self.page.locator(WIDGETS)
        return [Widget(self, cells.nth(place)) for place in range(cells.count())]

    def ask(self, code):
        """The value of an expression in the kernel; the page doesn't notice."""
        asked = self.client.execute(
            "", silent=True, user_expressions={"it": code}, reply=True, timeout=60
        )
        answer = asked["content"]["user_expressions"]["it"]
        assert answer["status"] == "ok", f"{code[:80]}: {answer.get('evalue')}"
        return ast.literal_eval(answer["data"]["text/plain"])


class Widget:
    """Sliders or buttons over a picture, in the output of a cell."""

    def __init__(self, notebook, cell):
        self.notebook, self.page, self.cell = notebook, notebook.page, cell

    def __str__(self):
        return re.search(r"lab\.widgets\.(\w+)", self.cell.inner_text())[1]

    def number(self):
        """Of the cell's execution."""
        return int(re.search(r"\d+", self.cell.locator(".jp-InputPrompt").inner_text())[0])

    def image(self):
        return self.cell.locator("img.widget-image").element_handle()

    def watched_image(self):
        image = self.image()
        image.evaluate(WATCH)
        return image

    def controls(self):
        return self.cell.locator(CONTROLS).all()

    def values(self):
        """Of the sliders and buttons, as the page has them."""
        return self.cell.locator(CONTROLS).evaluate_all(VALUES)

    def press(self, control):
        """A key that moves a slider away from its nearer end, or a button."""
        control.press(control.evaluate(KEY))

    def drag(self, control):
        """With the mouse, to the other half of the slider; or a click on a button."""
        if control.evaluate("each => each.matches('button')"):
            return control.click()
        control.scroll_into_view_if_needed()
        handle, track = control.bounding_box(), control.locator("xpath=../..").bounding_box()
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        on_the_left = x < track["x"] + track["width"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(track["x"] + track["width"] * (0.7 if on_the_left else 0.3), y, steps=5)
        mouse.up()

    def check(self, what):
        """The picture becomes that of the values, and stays it."""
        values = self.values()
        picture = self.notebook.ask(f"__import__('twins').picture({self.number()}, {values})")
        shown = [self.image(), picture]
        try:
            self.page.wait_for_function(IS_SHOWN, arg=shown, timeout=1000 * SETTLED)
        except TimeoutError:
            pytest.fail(f"{self} after {what}: not the picture of {values}", pytrace=False)

    def delays(self, count):
        """Milliseconds from a key to the picture, each time; the first control is moved."""
        image, control = self.watched_image(), self.controls()[0]
        for done in range(count):
            self.press(control)
            self.page.wait_for_function(
                "([image, done]) => image.delays.length > done", arg=[image, done]
            )
        return image.evaluate("image => image.delays")

    def run_again(self):
        before = self.number()
        self.cell.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")
        prompt = self.cell.locator(".jp-InputPrompt").element_handle()
        self.page.wait_for_function(
            "([prompt, before]) => parseInt(prompt.textContent.slice(1)) > before",
            arg=[prompt, before],
        )
