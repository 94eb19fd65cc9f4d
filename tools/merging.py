"""Merge a release into what a student has typed: git's driver for notebooks.

    git config --system merge.notebook.driver "python TOOLS/merging.py %A %B %P"

Git itself merges lines: a new cell next to an answer can get lost. This goes by cells.
"""

from carrying import carried_over, set_aside, upgraded, write, write_beside

import sys
from pathlib import Path

import nbformat


def merge(mine, release, path):
    """Write the release with what was typed to `mine`, where git expects it, the rest beside."""
    edition = nbformat.read(release, as_version=4)
    try:
        new, homeless = carried_over(upgraded(nbformat.read(mine, as_version=4)), edition)
    except Exception:  # whatever is wrong with it, it holds someone's work
        write_beside(path, "unreadable", ".ipynb", mine.read_bytes())
        new, homeless = edition, []
    set_aside(path, homeless)
    write(mine, nbformat.writes(new) + "\n")


if __name__ == "__main__":
    merge(*map(Path, sys.argv[1:]))
