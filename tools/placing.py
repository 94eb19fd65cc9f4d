"""What is built stands in its place as a whole, or what stood there stays."""

import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def placed(into, mark):
    """A folder to build in. It takes the place of `into` at the end, and else vanishes.

    Yields one that is to be made, in a folder that has room for what else the build needs.
    mark: a file that each build has. A folder of something else is not replaced.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}-") as made:
        new, old = Path(made, "new"), Path(made, "old")
        yield new
        if into.exists() and any(into.iterdir()) and not (into / mark).exists():
            raise FileExistsError(f"{into} holds other files, which would be lost.")
        try:
            if into.exists():
                into.rename(old)
            new.rename(into)
        except BaseException:
            if old.exists() and not into.exists():
                old.rename(into)
            raise
