"""What Sphinx needs to know; tools/website.py puts the notebooks beside this file."""

project = html_title = "Deep generative models, hands on"
extensions = ["myst_nb"]
smartquotes = False
exclude_patterns = ["_static"]

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_update_mathjax = False
nb_execution_mode = "off"  # stored outputs only
nb_ipywidgets_js = {}  # it would come from a CDN

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_use_index = False
html_copy_source = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "footer_content_items": [],
    "show_toc_level": 2,
}
pygments_style = "a11y-high-contrast-light"

mathjax_path = "tex-svg.js"
mathjax3_config = {
    "svg": {"scale": 0.9, "displayAlign": "left"},  # so that a number needs room on one side only
    "options": {"enableMenu": False, "processHtmlClass": "math", "ignoreHtmlClass": "document"},
}
