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
# Of the words of code, the first of each kind stays: those in the same classes look the same.
# A page has 25 kinds, and axe needs most of its time for thousands of words.
ONE_OF_A_KIND = """() => {
    const kinds = new Set(), known = kind => kinds.has(kind) || !kinds.add(kind)
    const classes = part => part ? `${classes(part.parentElement)} / ${part.className}` : ""
    const words = [...document.querySelectorAll("pre span:not(:has(*))")]
    words.filter(each => known(classes(each))).forEach(each => each.replaceWith(each.textContent))
}"""
AT_ONCE = "*, ::before, ::after { transition: none !important }"  # colours change, not gradually
TABLES = """() => [...document.querySelectorAll(".pst-scrollable-table-container")]
    .filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def page(browser, site):
    """A page that notes what it says, and what it asks of others than its own site."""
    with browser.new_context() as context:
        page = context.new_page()
        page.heard = []
        page.on("console", lambda m: m.type in ("error", "warning") and page.heard.append(m.text))
        page.on("pageerror", lambda error: page.heard.append(str(error)))
        own = (site.as_uri(), "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(own) or page.heard.append(r.url))
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_legible_and_whole(name, page, site):
    page.goto((site / f"{name}.html").as_uri())
    page.add_style_tag(content=AT_ONCE)
    page.evaluate(TYPESET)
    assert page.evaluate(UNTYPESET) == []
    page.evaluate(ONE_OF_A_KIND)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.locator(f"html[data-theme={scheme}]").wait_for()
            assert page.evaluate(TOO_WIDE) <= 0, width
            assert width < 1280 or page.evaluate(TABLES) == []
            found = axe.Axe().run(page, FORMULAS, RULES).response["violations"]
            assert [
                describe(each) for each in found if each["impact"] in ("serious", "critical")
            ] == []
    assert page.heard == []


def describe(violation):
    return violation["id"], [node["html"] for node in violation["nodes"][:3]]


def test_an_equation_can_be_linked_to_and_comes_into_view(page, site):
    page.goto((site / "03_gaussian_vae.html").as_uri())
    page.evaluate("() => MathJax.startup.promise")
    page.locator('a:not(.headerlink)[href$="#eq-3.12"]').first.click()
    page.wait_for_function("() => document.querySelector(':target')?.id === 'eq-3.12'")
    assert page.locator("[id='eq-3.12']").bounding_box()["y"] < 800


def test_what_is_folded_opens(page, site):
    page.goto((site / "03_gaussian_vae.html").as_uri())
    solution = page.locator("details", has_text="Solution").first
    code = solution.locator("pre").first
    assert not code.is_visible()
    solution.locator("summary").press("Enter")
    assert code.is_visible()


def test_recorded_pictures_lie_over_their_base_in_the_dark_too(page, site):
    page.goto((site / "03_gaussian_vae.html").as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.locator(f"html[data-theme={scheme}]").wait_for()
        styles = page.locator(".sprite img").evaluate_all(
            "all => all.map(getComputedStyle).map(s => [s.backgroundImage, s.backgroundSize])"
        )
        assert len(styles) == 3
        assert all(base.startswith("url(") and size == "100% 100%" for base, size in styles)


def test_search_finds_words(page, site):
    page.goto((site / "search.html").as_uri() + "?q=reparameterisation")
    for hit in ("03 The VAE with Gaussian latents", "Notation and glossary"):
        page.locator("#search-results li a", has_text=hit).first.wait_for()


def test_a_search_leads_to_a_section_and_tells_of_it(page, site):
    page.goto((site / "search.html").as_uri() + "?q=posteriors+collapsed")
    found = page.locator("#search-results li", has_text="15 Posterior collapse")
    found.locator("span", has_text="the decoder ignores").wait_for()
    found.locator("a").click()
    page.wait_for_function("() => document.querySelector('section:target')")
    assert page.locator("section:target > h2").bounding_box()["y"] < 200
    assert page.heard == []


def test_previous_and_next_lead_through_the_notebooks(page, site):
    page.goto((site / "index.html").as_uri())
    for name in [*NAMES[:6], "notation", "costs"]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    assert page.locator("a.left-prev").get_attribute("href") == "notation.html"
