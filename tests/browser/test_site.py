"""Each page of the site, light and dark, on a phone and on a desk: legible, reachable, whole.

The pages are opened from the file system, where nothing can be fetched.
"""

import pytest

from .conftest import chromium

chromium()  # or all of this is skipped
pytest.importorskip("myst_nb", reason="the site needs requirements-tools.txt")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
import website  # noqa: E402

NAMES = [path.stem for path in sorted(website.NOTEBOOKS.glob("*.ipynb"))]
NAMES += ["index", "notation", "costs", "search"]
RULES = {  # `preload` would read the style sheets a second time, which no browser allows for files
    "preload": False,
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
}
FORMULAS = {"exclude": [["mjx-container > svg"]]}  # hidden from readers, who get their MathML
TYPESET = """async () => {
    document.querySelectorAll("details").forEach(each => each.open = true)
    if (window.MathJax) await MathJax.startup.promise
}"""
UNTYPESET = """() => [...document.querySelectorAll(".math")]
    .filter(each => !each.querySelector("mjx-container svg")
        || each.querySelector("[data-mml-node=merror]"))
    .map(each => each.textContent)"""
AT_ONCE = "*, ::before, ::after { transition: none !important }"  # colours change, not gradually
TOO_WIDE = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    into = tmp_path_factory.mktemp("built") / "site"
    website.main(["--into", str(into)])
    return into


@pytest.fixture
def page(browser, folder):
    """A page that notes what it says, and what it asks of others than its own folder."""
    with browser.new_context() as context:
        page = context.new_page()
        page.heard = []
        page.on("console", lambda m: m.type in ("error", "warning") and page.heard.append(m.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        own = (folder.as_uri(), "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(own) or page.heard.append(r.url))
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_legible_and_whole(name, page, folder):
    page.goto((folder / f"{name}.html").as_uri())
    page.add_style_tag(content=AT_ONCE)
    page.evaluate(TYPESET)
    assert page.evaluate(UNTYPESET) == []
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.locator(f"html[data-theme={scheme}]").wait_for()
            assert page.evaluate(TOO_WIDE) <= 0, width
            found = axe.Axe().run(page, FORMULAS, RULES).response["violations"]
            assert [
                describe(each) for each in found if each["impact"] in ("serious", "critical")
            ] == []
    assert page.heard == []


def describe(violation):
    return violation["id"], [node["html"] for node in violation["nodes"][:3]]


def test_an_equation_can_be_linked_to_and_comes_into_view(page, folder):
    page.goto((folder / "03_gaussian_vae.html").as_uri())
    page.evaluate("() => MathJax.startup.promise")
    page.locator('a:not(.headerlink)[href$="#eq-3.12"]').first.click()
    page.wait_for_function("() => document.querySelector(':target')?.id === 'eq-3.12'")
    assert page.locator("[id='eq-3.12']").bounding_box()["y"] < 800


def test_what_is_folded_opens(page, folder):
    page.goto((folder / "03_gaussian_vae.html").as_uri())
    solution = page.locator("details", has_text="Solution").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("summary").press("Enter")
    assert code.is_visible()


def test_recorded_pictures_lie_over_their_base_in_the_dark_too(page, folder):
    page.goto((folder / "03_gaussian_vae.html").as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.locator(f"html[data-theme={scheme}]").wait_for()
        styles = page.locator(".sprite img").evaluate_all(
            "all => all.map(getComputedStyle).map(s => [s.backgroundImage, s.backgroundSize])"
        )
        assert len(styles) == 3
        assert all(base.startswith("url(") and size == "100% 100%" for base, size in styles)


def test_search_finds_words(page, folder):
    page.goto((folder / "search.html").as_uri() + "?q=reparameterisation")
    for hit in ("03 The VAE with Gaussian latents", "Notation and glossary"):
        page.locator("#search-results li a", has_text=hit).first.wait_for()


def test_previous_and_next_lead_through_the_notebooks(page, folder):
    page.goto((folder / "index.html").as_uri())
    for name in [*NAMES[:6], "notation", "costs"]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    assert page.locator("a.left-prev").get_attribute("href") == "notation.html"
