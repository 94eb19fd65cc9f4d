"""A recipe gives the same weights to the last bit, whatever happens on the way."""

from labutils import (
    autoregressive,
    checkpoints,
    data,
    estimators,
    models,
    objectives,
    recipes,
    runtime,
    training,
)
from labutils.data import binarize
from labutils.models import Classifier, GaussianVAE
from labutils.objectives import elbo
from labutils.recipes import RECIPES, Recipe, trained
from labutils.runtime import seeded
from labutils.training import Settings

import ast
import errno
import hashlib
import inspect
import os
import re
import signal
import sys
import warnings
from dataclasses import asdict, replace
from functools import wraps

import pytest
import torch
from conftest import small_digits
from torch import nn
from torch.distributions import kl_divergence
from torch.nn import functional as F

EPOCHS, STEPS = 4, 5  # of 20 images each
SETTINGS = Settings(epochs=EPOCHS, batch_size=20, learning_rate=0.01)


# Recipes of our own, whose losses can be disturbed from outside

disturb = None  # a function of the loss' value, called where the loss is computed


def disturbed(loss):
    @wraps(loss)
    def wrapped(*arguments, **progress):
        value = loss(*arguments, **progress)
        return disturb(value, arguments[0]) if disturb else value

    return wrapped


def cross_entropy(model, images, labels):
    return F.cross_entropy(model(images), labels)


def negative_elbo(model, images, labels):
    return -elbo(model, binarize(images)).mean()


def warmed_up(model, images, labels, progress):
    """The KL term comes in with the progress of the training."""
    x = binarize(images)
    posterior = model.posterior(x)
    distortion = -model.likelihood(posterior.rsample()).log_prob(x)
    return (distortion + progress * kl_divergence(posterior, model.prior)).mean()


def own(build, loss):
    return Recipe(lambda digits: build(), disturbed(loss), SETTINGS, SETTINGS)


def dropout(ratio=0.5):
    return own(lambda: Classifier(784, 8, 10, ratio), cross_entropy)


def vae():
    return own(lambda: GaussianVAE(2, 8), negative_elbo)


def scheduled():
    return own(lambda: GaussianVAE(2, 8), warmed_up)


def normed():
    return own(
        lambda: nn.Sequential(nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)),
        cross_entropy,
    )


OWN = {recipe.__name__: recipe for recipe in (dropout, vae, scheduled, normed)}
every_recipe = pytest.mark.parametrize("name", OWN)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for name, recipe in OWN.items():
        monkeypatch.setitem(RECIPES, name, recipe)
    yield
    globals()["disturb"] = None


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def watch(monkeypatch):
    """Counts the steps of training from now on; `interrupt` breaks off in a step."""
    calls = []

    def start(at=None, action=lambda value: value):
        calls.clear()

        def disturb(value, model):
            calls.extend([None] * model.training)
            return action(value) if model.training and len(calls) == at else value

        globals()["disturb"] = disturb
        return calls

    return start


def interrupt(value):
    raise KeyboardInterrupt


def kill(value):
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def unkept(name, digits=None, **settings):
    """What the recipe gives without being kept: the reference for all that follows."""
    recipe = OWN[name]()
    with seeded(0):
        model = recipe.build(None)
    arguments = {**asdict(SETTINGS), **settings}
    return model, training.fit(model, recipe.loss, digits or small_digits(), **arguments)


def identical(one, other):
    other = other.state_dict()
    return all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


def files(folder):
    return [path for path in folder.iterdir() if path.is_file()]


# Kept, gone on with, used


@every_recipe
def test_being_kept_changes_nothing(name, runs):
    kept, history = trained(name, small_digits())
    model, expected = unkept(name)
    assert identical(kept, model)
    assert (history.train, history.validation) == (expected.train, expected.validation)
    assert not kept.training
    (path,) = files(runs)
    assert re.fullmatch(rf"{name}-[0-9a-f]{{16}}\.pt", path.name)


@every_recipe
def test_a_finished_run_is_used_and_one_line_says_so(name, runs, watch, capsys):
    first, expected = trained(name, small_digits())
    capsys.readouterr()
    calls = watch()
    second, history = trained(name, small_digits())
    assert calls == []
    assert capsys.readouterr().out == f"{name}: a kept run of 4 epochs is used.\n"
    assert identical(first, second) and history == expected and not second.training
    assert len(files(runs)) == 1


@every_recipe
def test_an_interrupted_run_goes_on_to_the_same_bits(name, runs, watch):
    whole, expected = unkept(name)
    watch(2 * STEPS + 3, interrupt)
    with pytest.warns(UserWarning, match=r"interrupted in epoch 3 of 4.*run the cell again\."):
        half, before = trained(name, small_digits())
    assert len(before) == 2 and not half.training
    calls = watch()
    resumed, history = trained(name, small_digits())
    assert len(calls) == 2 * STEPS
    assert identical(resumed, whole)
    assert (history.train, history.validation) == (expected.train, expected.validation)
    assert history.learning_rate == expected.learning_rate
    assert history.seconds[:2] == before.seconds  # the first two epochs were not done again
    assert len(files(runs)) == 1


def test_it_may_be_interrupted_again_and_again(watch):
    for done, epoch in ((0, 1), (0, 2), (1, 4)):
        watch((epoch - 1 - done) * STEPS + 3, interrupt)
        with pytest.warns(UserWarning, match=f"interrupted in epoch {epoch} of 4"):
            _, history = trained("dropout", small_digits())
        assert len(history) == epoch - 1
    watch()
    assert identical(trained("dropout", small_digits())[0], unkept("dropout")[0])


def train_and_die(name, folder):
    torch.set_num_threads(1)
    os.environ["LABUTILS_RUNS"] = str(folder)
    RECIPES.update(OWN)
    calls = []

    def disturb(value, model):
        calls.extend([None] * model.training)
        return kill(value) if len(calls) == 2 * STEPS + 3 else value

    globals()["disturb"] = disturb
    trained(name, small_digits())


@every_recipe
def test_a_killed_run_goes_on_to_the_same_bits(name, processes, runs, watch):
    process = processes.Process(target=train_and_die, args=(name, runs))
    process.start()
    process.join(60)
    assert process.exitcode not in (None, 0, 1)
    calls = watch()
    resumed, history = trained(name, small_digits())
    assert len(calls) == 2 * STEPS
    watch()
    whole, expected = unkept(name)
    assert identical(resumed, whole)
    assert history.validation == expected.validation


def misleading():
    """The better a network learns, the worse it does on these labels to validate."""
    digits = small_digits()
    labels = (digits.validation.labels + 1) % 10
    return replace(digits, validation=replace(digits.validation, labels=labels))


def test_the_best_weights_from_before_an_interruption_are_kept(watch):
    whole, expected = unkept("dropout", misleading())
    assert expected.best < EPOCHS
    watch(expected.best * STEPS + 3, interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        trained("dropout", misleading())
    watch()
    resumed, history = trained("dropout", misleading())
    assert history.best == expected.best
    assert identical(resumed, whole)


def test_a_finished_run_holds_history_and_weights_alone(runs, watch):
    watch(2 * STEPS + 3, interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        trained("dropout", small_digits())
    (path,) = files(runs)
    assert set(torch.load(path, weights_only=True)) == {"history", "best", "unfinished"}
    watch()
    model, _ = trained("dropout", small_digits())
    state = torch.load(path, weights_only=True)
    assert set(state) == {"history", "best"}
    assert set(state["best"]) == set(model.state_dict())


def test_runs_are_kept_in_the_cache_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("LABUTILS_RUNS")
    trained("dropout", small_digits())
    assert [path.parent for path in tmp_path.rglob("*.pt")] == [tmp_path / "cache" / "runs"]


def test_of_several_folders_all_are_read_and_the_first_is_written(monkeypatch, tmp_path, watch):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    monkeypatch.setenv("LABUTILS_RUNS", str(theirs))
    trained("dropout", small_digits())
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    monkeypatch.setenv("LABUTILS_RUNS", os.pathsep.join(map(str, (mine, theirs))))
    calls = watch()
    trained("dropout", small_digits())
    assert calls == [] and not mine.exists()
    trained("vae", small_digits())
    assert len(files(mine)) == 1
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before


# What makes a run another one


def changed(part, value):
    """Small digits with one pixel changed."""
    digits = small_digits()
    getattr(digits, part).images[-1, -1] = value
    return digits


CHANGES = {
    "seed": {"seed": 1},
    "a choice": {"ratio": 0.4},
    "one training pixel": {"digits": changed("train", 0.123)},
    "one validation pixel": {"digits": changed("validation", 0.123)},
}


def after(watch, **arguments):
    """The steps that are trained, when a run was kept before."""
    calls = watch()
    trained("dropout", arguments.pop("digits", small_digits()), **arguments)
    return len(calls)


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_determines_a_run_makes_it_another_one(change, runs, watch):
    assert after(watch) == EPOCHS * STEPS
    assert after(watch) == 0
    assert after(watch, **CHANGES[change]) == EPOCHS * STEPS
    assert len(files(runs)) == 2


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate"])
def test_other_settings_make_it_another_run(field, watch, monkeypatch):
    after(watch)
    other = replace(SETTINGS, **{field: 2 * getattr(SETTINGS, field)})
    recipe = replace(dropout(), bundled=other)
    monkeypatch.setitem(RECIPES, "dropout", lambda: recipe)
    assert after(watch) > 0


def test_other_initial_weights_make_it_another_run(watch, monkeypatch):
    after(watch)

    def build(digits):
        torch.rand(1)
        return Classifier(784, 8, 10)

    monkeypatch.setitem(RECIPES, "dropout", lambda: replace(dropout(), build=build))
    assert after(watch) > 0


@pytest.mark.parametrize("what", ["FORMAT", "torch"])
def test_another_format_or_torch_makes_it_another_run(what, watch, monkeypatch):
    after(watch)
    if what == "FORMAT":
        monkeypatch.setattr(recipes, "FORMAT", recipes.FORMAT + 1)
    else:
        monkeypatch.setattr(torch, "__version__", "99")
    assert after(watch) > 0


COMPUTING = (
    autoregressive, models, objectives, estimators, recipes, training.Run, training.train,
    training._train_on, runtime.own_seed, data.binarize,
)  # fmt: skip
# of what COMPUTING holds, and the format that it goes with
FINGERPRINT, UNDER_FORMAT = "79f932809af1aaee", 2


def without_docstrings(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="others write the same code otherwise")
def test_the_format_is_raised_when_what_is_computed_changes():
    """A kept run of yesterday's code must not pass for one of today's."""
    code = "\n".join(without_docstrings(inspect.getsource(each)) for each in COMPUTING)
    found = hashlib.sha256(code.encode()).hexdigest()[:16]
    assert (found, recipes.FORMAT) == (FINGERPRINT, UNDER_FORMAT), (
        f"The code that trains has changed. If a recipe now gives other weights, raise FORMAT in "
        f"recipes.py and UNDER_FORMAT; in any case set FINGERPRINT to {found!r}."
    )


# Files that are damaged, or somebody else's


def damaged(path, state):
    """Replace the state in a kept run."""
    torch.save(state(torch.load(path, weights_only=True)), path)


def spoil(state, part, value):
    first = next(iter(state[part]))
    state[part][first] = value(state[part][first])
    return state


def with_history(state, **columns):
    return state | {"history": state["history"] | columns}


BYTES = {
    "empty": lambda whole: b"",
    "nonsense": lambda whole: b"nonsense" * 100,
    "half": lambda whole: whole[: len(whole) // 2],
    "one byte short": lambda whole: whole[:-1],
    "zeros where a block was lost": lambda whole: whole[:4096] + bytes(4096) + whole[8192:],
    "one bit in the weights": lambda whole: whole[:6000] + bytes([whole[6000] ^ 1]) + whole[6001:],
    "a pickle that runs code": lambda whole: b"cos\nsystem\n(S'exit 1'\ntR.",
}
CONTENTS = {
    "another dict": lambda state: {"a": 1},
    "a list": lambda state: [1, 2],
    "a tensor": lambda state: torch.zeros(3),
    "nothing": lambda state: None,
    "no history": lambda state: {"best": state["best"]},
    "no weights": lambda state: {"history": state["history"]},
    "weights of another shape": lambda state: spoil(state, "best", lambda w: w[:1]),
    "weights of another type": lambda state: spoil(state, "best", lambda w: w.double()),
    "weights that are NaN": lambda state: spoil(state, "best", lambda w: w * torch.nan),
    "one row of weights that is infinite": lambda state: spoil(
        state, "best", lambda w: w.index_fill(0, torch.tensor([0]), torch.inf)
    ),
    "weights that are a number": lambda state: spoil(state, "best", lambda w: 1.0),
    "a weight more": lambda state: state | {"best": state["best"] | {"more": torch.zeros(1)}},
    "another number of epochs": lambda state: state | {"history": {"epochs": 3}},
    "a history with NaN": lambda state: with_history(state, train=[float("nan")] * EPOCHS),
    "columns of other lengths": lambda state: with_history(state, train=[1.0]),
    "too long a history": lambda state: with_history(
        state, **{name: column * 2 for name, column in state["history"].items() if name != "epochs"}
    ),
}


def starts_again(name, path):
    """That training starts again, with a warning, to the right weights; and is kept once more."""
    whole, expected = unkept(name)
    with pytest.warns(UserWarning, match=f"{re.escape(str(path))} is damaged") as caught:
        again, history = trained(name, small_digits())
    assert [each.filename for each in caught] == [__file__]
    assert identical(again, whole)
    assert history.validation == expected.validation
    assert files(path.parent) == [path]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(name, small_digits())  # what replaced it is whole


@pytest.mark.parametrize("damage", BYTES)
def test_a_damaged_file_is_replaced_with_a_warning(damage, runs):
    trained("dropout", small_digits())
    (path,) = files(runs)
    kept = path.read_bytes()
    path.write_bytes(BYTES[damage](kept))
    assert path.read_bytes() != kept
    starts_again("dropout", path)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_with_other_contents_is_replaced_with_a_warning(content, runs):
    trained("dropout", small_digits())
    (path,) = files(runs)
    damaged(path, CONTENTS[content])
    starts_again("dropout", path)


def unfinished(change):
    def state(whole):
        whole["unfinished"] = change(whole["unfinished"])
        return whole

    return state


def shrink_moments(part):
    moments = part["optimizer"]["state"]
    for values in moments.values():
        values["exp_avg"] = values["exp_avg"][:1]
    return part


UNFINISHED = {
    "nothing": lambda part: None,
    "no model": lambda part: {k: v for k, v in part.items() if k != "model"},
    "a model with NaN": lambda part: spoil(part, "model", lambda w: w * torch.nan),
    "no optimizer": lambda part: part | {"optimizer": {}},
    "moments of another shape": shrink_moments,
    "a schedule that is a list": lambda part: part | {"schedule": [1]},
    "no random state": lambda part: part | {"random": {}},
    "a random state of another size": lambda part: part | {"random": {"cpu": torch.zeros(3)}},
}


@pytest.mark.parametrize("content", UNFINISHED)
def test_an_unfinished_run_with_other_contents_starts_again(content, runs, watch):
    watch(2 * STEPS + 3, interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        trained("dropout", small_digits())
    (path,) = files(runs)
    damaged(path, unfinished(UNFINISHED[content]))
    watch()
    starts_again("dropout", path)


class Intruder:
    """Loading it with Python's pickle makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_kept_run_is_not_executed(runs, tmp_path):
    trained("dropout", small_digits())
    (path,) = files(runs)
    damaged(path, lambda state: state | {"extra": Intruder(tmp_path / "code was executed")})
    with pytest.warns(UserWarning, match="damaged"):
        trained("dropout", small_digits())
    assert not (tmp_path / "code was executed").exists()


def fail(error):
    raise error


FULL = {
    "Python's": lambda: fail(MemoryError()),
    "an accelerator's": lambda: fail(torch.OutOfMemoryError()),
    "the system's": lambda: fail(OSError(errno.ENOMEM, "Cannot allocate memory")),
    "torch's for the CPU": lambda: torch.empty(10**15),
}


@pytest.mark.parametrize("reader", [checkpoints, recipes])
@pytest.mark.parametrize("full", FULL)
def test_a_kept_run_is_not_called_damaged_where_memory_is_full(
    full, reader, runs, watch, monkeypatch
):
    watch(2 * STEPS + 3, interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        trained("dropout", small_digits())
    (path,) = files(runs)
    before = path.read_bytes()
    watch()
    monkeypatch.setattr(reader, "read", lambda *arguments: FULL[full]())
    with pytest.raises((MemoryError, torch.OutOfMemoryError, OSError, RuntimeError)):
        trained("dropout", small_digits())
    assert path.read_bytes() == before


@pytest.mark.usefixtures("full_device")
def test_what_the_cpu_trains_for_a_full_device_does_not_pass_for_a_run_of_the_device(runs):
    with pytest.warns(UserWarning, match="not kept. To keep it, set LABUTILS_DEVICE to cpu"):
        model, _ = trained("dropout", small_digits())
    assert files(runs) == []
    assert identical(model, unkept("dropout")[0])


# Folders that cannot be written


def test_a_runs_folder_that_cannot_be_written_only_warns(runs):
    runs.write_text("not a folder")
    with pytest.warns(UserWarning, match=r"not kept: .* cannot be written") as caught:
        model, history = trained("dropout", small_digits())
    assert [warning.filename for warning in caught] == [__file__]  # once
    assert len(history) == EPOCHS
    assert identical(model, unkept("dropout")[0])


def test_what_cannot_be_written_once_is_written_at_the_next_epoch(runs, monkeypatch):
    write, refused = checkpoints.atomic_write, []

    def refuse_once(path):
        if not refused:
            refused.append(path)
            raise PermissionError("another program has the file")
        return write(path)

    monkeypatch.setattr(checkpoints, "atomic_write", refuse_once)
    with pytest.warns(UserWarning, match="not kept") as caught:
        trained("dropout", small_digits())
    assert len(caught) == 1
    assert len(files(runs)) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows folders have no such permission")
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may go anywhere")
@pytest.mark.parametrize("permission", [0o000, 0o500])
def test_a_runs_folder_without_permission_only_warns(permission, runs):
    runs.mkdir()
    runs.chmod(permission)
    with pytest.warns(UserWarning, match=r"cannot be written .*Permission denied"):
        model, _ = trained("dropout", small_digits())
    runs.chmod(0o700)
    assert identical(model, unkept("dropout")[0])


def train_on_a_full_disk(folder):
    import resource

    os.environ["LABUTILS_RUNS"] = str(folder)
    torch.set_num_threads(1)
    RECIPES.update(OWN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, history = trained("dropout", small_digits())
    return history.validation, [str(warning.message) for warning in caught]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot limit the size of files")
def test_a_full_disk_only_warns(elsewhere, runs):
    validation, (warning,) = elsewhere(train_on_a_full_disk, runs)
    assert "cannot be written" in warning and "File too large" in warning
    assert validation == unkept("dropout")[1].validation
    assert files(runs) == []


def train_here(folder):
    torch.set_num_threads(1)
    os.environ["LABUTILS_RUNS"] = str(folder)
    RECIPES.update(OWN)

    def note(value, model):
        if model.training:
            with open(folder.parent / "steps", "ab") as steps:
                steps.write(b".")
        return value

    globals()["disturb"] = note
    trained("dropout", small_digits())


def test_of_many_that_want_the_same_at_once_one_trains_it_and_the_others_find_it(
    processes, runs, watch
):
    started = [processes.Process(target=train_here, args=(runs,)) for _ in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
        assert process.exitcode == 0
    assert len(files(runs)) == 1
    assert (runs.parent / "steps").stat().st_size == EPOCHS * STEPS
    calls = watch()
    model, _ = trained("dropout", small_digits())
    assert calls == []
    assert identical(model, unkept("dropout")[0])


# What is asked for


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_who_may_add_runs_may_add_locks(runs):
    runs.mkdir()
    runs.chmod(0o775)
    before = os.umask(0o022)
    try:
        trained("dropout", small_digits())
    finally:
        os.umask(before)
    assert (runs / "locks").stat().st_mode & 0o777 == 0o775


def test_digits_of_ones_own_have_no_recipe():
    digits = small_digits()
    for other in (replace(digits, source="fashion"), digits.train):
        with pytest.raises(ValueError, match=r"digits that load\(\) returns, got .*call fit\(\)"):
            trained("dropout", other)


def test_what_was_finished_while_we_waited_is_used_with_a_line(watch, capsys, monkeypatch):
    digits = small_digits()
    model, _ = trained("dropout", digits)
    capsys.readouterr()
    looked, finished = [], recipes._finished

    def not_yet(*run):  # at the first look
        looked.append(run)
        return finished(*run) if len(looked) > 1 else None

    monkeypatch.setattr(recipes, "_finished", not_yet)
    steps = watch()
    used, _ = trained("dropout", digits)
    assert not steps
    assert identical(used, model)
    assert capsys.readouterr().out == "dropout: a kept run of 4 epochs is used.\n"


def test_an_unknown_recipe_or_choice_is_refused():
    with pytest.raises(ValueError, match="There is no recipe"):
        trained(["dropout"], small_digits())

    with pytest.raises(
        ValueError, match=r"no recipe 'gaussian'\. There are: belief_network, .*vae"
    ):
        trained("gaussian", small_digits())
    with pytest.raises(ValueError, match=r"unexpected keyword argument 'rate'.* It has: ratio\."):
        trained("dropout", small_digits(), rate=0.1)
    with pytest.raises(ValueError, match=r"estimator must be exact, .*disarm, got 'reinforce'"):
        trained("bernoulli_vae_8", small_digits(), estimator="reinforce")


@pytest.mark.parametrize("name", sorted(set(RECIPES) - set(OWN)))
def test_the_recipes_of_the_course_train(name, monkeypatch):
    recipe = RECIPES[name]()
    short = replace(recipe, bundled=replace(recipe.bundled, epochs=6, batch_size=20))
    monkeypatch.setitem(RECIPES, name, lambda: short)
    _, history = trained(name, small_digits())
    assert history.validation[-1] < history.validation[0]


@pytest.mark.parametrize(
    "estimator", ["score_function", "leave_one_out", "straight_through", "gumbel_softmax", "disarm"]
)
def test_the_bernoulli_vae_is_trained_by_each_estimator(estimator, monkeypatch, runs):
    recipe = RECIPES["bernoulli_vae_8"]
    settings = Settings(1, 50, 1e-3)
    monkeypatch.setitem(
        RECIPES,
        "bernoulli_vae_8",
        lambda estimator: replace(recipe(estimator), bundled=settings),
    )
    trained("bernoulli_vae_8", small_digits(), estimator=estimator)
    trained("bernoulli_vae_8", small_digits(), estimator="exact")
    assert len(files(runs)) == 2


@pytest.mark.parametrize("state", ["no gradients", "doubles"])
def test_torchs_state_outside_does_not_matter(state):
    expected, _ = unkept("vae")
    digits = small_digits()
    try:
        torch.set_grad_enabled(state != "no gradients")
        torch.set_default_dtype(torch.float64 if state == "doubles" else torch.float32)
        model, _ = trained("vae", digits)
        assert torch.is_grad_enabled() == (state != "no gradients")
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)
    assert identical(model, expected)
