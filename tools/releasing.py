"""Release the student's edition as commits of a branch of its own, each on top of the last.

Who pulls that branch, by nbgitpuller for example, keeps what was typed. Only the branch changes:
not the files, the index or the branch that is checked out.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def release(repository, branch, files):
    """Commit the files, by name their bytes, to the branch; returns what to say."""
    last = git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)
    if f"branch refs/heads/{branch}" in git(repository, "worktree", "list", "--porcelain").split(
        "\n"
    ):
        sys.exit(f"The branch {branch} is checked out: the edition needs a branch of its own.")
    if last:
        keep_names(notebooks_of(repository, branch), files, branch)
    tree = write_tree(repository, files)
    if last and tree == git(repository, "rev-parse", f"{last}^{{tree}}"):
        return f"{branch}: nothing has changed since the last release"
    source = git(repository, "describe", "--tags", "--always", "--dirty")
    message = f"The student's edition of {source}"
    parent = ["-p", last] if last else []
    commit = git(repository, "commit-tree", tree, *parent, "-m", message)
    git(repository, "update-ref", f"refs/heads/{branch}", commit, last)
    return f"{branch}: a new commit, {message[0].lower()}{message[1:]}"


def notebooks_of(repository, branch):
    names = git(repository, "ls-tree", "--name-only", "-z", branch).split("\0")
    return {name for name in names if name.endswith(".ipynb")}


def keep_names(released, files, branch):
    """Exit where a student's answers would stay behind in a file that the new edition lacks."""
    if not released:
        sys.exit(f"The branch {branch} holds something else: the edition needs one of its own.")
    if missing := released - files.keys():
        sys.exit(
            f"{', '.join(sorted(missing))} of the branch {branch} is missing now: a notebook keeps "
            f"the name under which it was released, or what students typed stays behind."
        )


def write_tree(repository, files):
    """The name of the tree of these files, by way of an index and a folder that vanish."""
    directory = git(repository, "rev-parse", "--absolute-git-dir")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "files")
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        beside = {"GIT_DIR": directory, "GIT_WORK_TREE": str(folder)}
        beside["GIT_INDEX_FILE"] = str(Path(scratch, "index"))
        git(folder, "add", "--all", "--force", ".", **beside)
        return git(folder, "write-tree", **beside)


def git(folder, *words, check=True, **environment):
    """What git prints. Where it fails, and is not expected to, its reason ends the program."""
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, **environment},
    )  # fmt: skip
    if check and done.returncode:
        sys.exit(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
