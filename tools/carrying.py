"""Carry what a student typed over into a new version of a notebook.

Each cell of the student's edition holds the digest of the text that it came with, so that what was
typed can be told from what was not, also in a notebook of another year that was copied here.
"""

import hashlib
import os
import re
import secrets
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import count

import nbformat

ANSWERED = re.compile(r"""\blab\.(?:check|predict)\(\s*["'](\w+)["']""")


def build(editions, folder):
    """Write the notebooks of the edition to the folder; say what came of those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    said = [line for name, new in editions.items() for line in update(folder / name, new)]
    print("\n".join(said) or f"{folder.name}/: the {len(editions)} notebooks are up to date")


def update(path, edition):
    """Write the notebook, with what was typed into the one that is there; returns what to say."""
    name, lines = f"{path.parent.name}/{path.name}", []
    before = path.read_bytes() if path.exists() else None
    if before is None:
        new, said = edition, "new"
    else:
        try:
            old = upgraded(nbformat.reads(before.decode("utf-8-sig"), as_version=4))
            if old.metadata.get("edition") == edition.metadata.edition:
                return []
            new, homeless = carried_over(old, edition)
            said = "a new version, with what you typed in the old one"
        except Exception as error:  # whatever is wrong with it, it holds someone's work
            new, homeless = edition, []
            aside = write_beside(path, "unreadable", ".ipynb", before)
            problem = str(error).strip().partition("\n")[0][:80]
            said = f"new; what was there is now in {aside.name}: {problem}"
        lines = set_aside(path, homeless)
        if not path.exists() or path.read_bytes() != before:  # saved by JupyterLab just now
            return update(path, edition)
    write(path, nbformat.writes(new) + "\n")
    return [f"{name}: {said}", *lines]


def set_aside(path, homeless):
    """Write what has no place in the notebook any more into a file beside it; what to say."""
    if not homeless:
        return []
    text = "".join(f"{why}\n\n~~~~~~\n{words}\n~~~~~~\n\n" for why, words in homeless)
    aside = write_beside(path, "kept", ".md", text.encode())
    return [f"    {why} see {aside.name}" for why, _ in homeless]


def carried_over(old, edition):
    """The edition with what was typed into `old`, and what has no place in it, with the reason.

    A cell was typed into where its source differs from that of the edition it came with.
    """
    new = nbformat.from_dict(edition)
    homes, added, homeless = find_homes(old, new), defaultdict(list), []
    originals = {old.cells[index].metadata.get("edition") for index in homes}
    ids, texts = {cell.id for cell in new.cells}, {digest(cell.source) for cell in new.cells}
    last = None
    for index, cell in enumerate(old.cells):
        home = homes.get(index)
        came_with = cell.metadata.get("edition")
        typed = digest(cell.source) != came_with and cell.source.strip()
        if home is None:
            typed = typed and digest(cell.source) not in texts
            own = came_with is None or came_with in originals or cell.id in ids
            if typed and own:  # a new cell, a copy, or a cell of another type than before
                added[last].append(with_own_id(cell, new))
            elif typed:
                which = f"The exercise {names(cell)[0]}" if names(cell) else "A cell you changed"
                homeless.append((f"{which} is gone; you wrote:", whole_text(cell)))
            continue
        last = home.id
        if typed and cell.source != home.source:
            unchanged = came_with in (None, home.metadata.edition)
            same = set(names(cell)) & set(names(home))
            if same and not unchanged:
                why = f"The exercise {names(cell)[0]} has a new text; your answer is in its place:"
                homeless.append((why, home.source))
            if same or unchanged:
                home.source = cell.source
                if "attachments" in cell:  # pictures that were pasted into it
                    home.attachments = cell.attachments
            else:
                why = "A cell you changed has a new text; yours was:"
                homeless.append((why, whole_text(cell)))
        if home.source == cell.source and cell.cell_type == "code":
            home.outputs, home.execution_count = cell.outputs, cell.execution_count
    new.cells = added[None] + [each for home in new.cells for each in (home, *added[home.id])]
    new.metadata = nbformat.from_dict({**old.metadata, **new.metadata})
    return new, homeless


def whole_text(cell):
    """Its source and, as text that Markdown shows, the pictures that were pasted into it."""
    pictures = [
        f"![{name}](data:{mime};base64,{data})"
        for name, pasted in cell.get("attachments", {}).items()
        for mime, data in pasted.items()
    ]
    return "\n\n".join([cell.source, *pictures])


def with_own_id(cell, new):
    taken = cell.id in {home.id for home in new.cells}
    return nbformat.from_dict({**cell, "id": secrets.token_hex(4) if taken else cell.id})


def find_homes(old, new):
    """For the index of each old cell, the new cell with its exercise, its id or its text."""
    by_name = {name: cell for cell in new.cells for name in names(cell)}
    by_id = {cell.id: cell for cell in new.cells}
    texts = Counter(cell.source for cell in new.cells)
    by_text = {cell.source: cell for cell in new.cells if texts[cell.source] == 1}
    homes, taken = {}, set()
    for find in (
        lambda cell: next((by_name[name] for name in names(cell) if name in by_name), None),
        lambda cell: by_id.get(cell.id),
        lambda cell: by_text.get(cell.source),  # some editors drop the ids
    ):
        for index, cell in enumerate(old.cells):
            home = None if index in homes else find(cell)
            if home and home.id not in taken and home.cell_type == cell.cell_type:
                homes[index] = home
                taken.add(home.id)
    return homes


def names(cell):
    """The names of the exercises and predictions that a cell answers."""
    return ANSWERED.findall(cell.source) if cell.cell_type == "code" else []


def write_beside(path, word, suffix, content):
    """Write a file that is not there yet, also if another process does the same just now."""
    for number in count(1):
        aside = path.with_name(f"{path.stem}.{word}-{number}{suffix}")
        with suppress(FileExistsError), aside.open("xb") as file:
            file.write(content)
            return aside


def write(path, content):
    """Write all or nothing."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        scratch.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def upgraded(notebook):
    """With ids for the cells, which notebooks of before format 4.5 lack, or hold elsewhere."""
    before = notebook.nbformat_minor
    new = nbformat.v4.upgrade(notebook, 4, before)
    for cell in new.cells if before < 5 else ():
        own = str(cell.metadata.pop("id", ""))  # as Colab writes it
        cell.id = own if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", own) else cell.id
    return new


def digest(source):
    return hashlib.sha256(source.encode()).hexdigest()[:16]
