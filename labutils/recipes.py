"""One recipe for each model that several notebooks need: its network, loss and settings.

`trained(name, digits)` follows it, and keeps the outcome: other notebooks, and the next session,
take it up from there. What a student trains is not kept.
"""

from labutils import estimators
from labutils.autoregressive import BeliefNetwork
from labutils.checkpoints import Checkpoint, memory_is_full, read
from labutils.data import Digits, binarize
from labutils.models import AutoEncoder, BernoulliVAE, Classifier, GaussianVAE, start_at_mean
from labutils.objectives import elbo, exact_elbo
from labutils.runtime import choose_device, locked, plain_torch, runs_folders, seeded
from labutils.training import History, Loss, Settings, kept_history, train

import hashlib
import inspect
import shutil
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

# Raise it when what a recipe computes changes: runs that are kept under a lower one are not used.
FORMAT = 2


@dataclass(frozen=True)
class Recipe:
    """How a model is made and trained. build(digits) draws its initial weights."""

    build: Callable[[Digits], nn.Module]
    loss: Loss
    mnist: Settings
    bundled: Settings
    validation_loss: Loss | None = None  # where it is not the loss


def cross_entropy(model, images, labels):
    """Eq. 2.4: the mean negative log-likelihood of the labels."""
    logits = model(images)
    own = logits[torch.arange(len(labels), device=labels.device), labels]
    return (logits.logsumexp(-1) - own).mean()


def negative_elbo(model, images, labels):
    """Minus Eq. 3.8, with one sample, of pixels that are drawn anew for each batch."""
    return -elbo(model, binarize(images)).mean()


def negative_log_likelihood(model, images, labels):
    """Minus Eq. 1.18, of pixels that are drawn anew for each batch."""
    return -model.log_prob(binarize(images)).mean()


def reconstruction_loss(model, images, labels):
    """Eq. 5.1, averaged over the batch."""
    logits = model.decoder(model.encode(images))
    return F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(-1).mean()


def belief_network() -> Recipe:
    return Recipe(
        build=lambda digits: BeliefNetwork(digits.train.images.mean(0)),
        loss=negative_log_likelihood,
        **_epochs(mnist=5, bundled=60, batch_size=250, learning_rate=3e-2),
    )


def autoregressive() -> Recipe:
    return Recipe(
        build=lambda digits: BeliefNetwork(digits.train.images.mean(0), hidden_dim=500),
        loss=negative_log_likelihood,
        **_epochs(mnist=5, bundled=60, batch_size=250, learning_rate=2e-2),
    )


def classifier(dropout_ratio: float = 0.5) -> Recipe:
    return Recipe(
        build=lambda digits: Classifier(784, 512, 10, dropout_ratio),
        loss=cross_entropy,
        **_epochs(mnist=10, bundled=100, batch_size=200, learning_rate=5e-3),
    )


def gaussian_vae_2d() -> Recipe:
    return Recipe(
        build=lambda digits: start_at_mean(GaussianVAE(2, 400), digits.train.images),
        loss=negative_elbo,
        **_epochs(mnist=10, bundled=100, batch_size=250, learning_rate=1.2e-2),
    )


def gaussian_vae() -> Recipe:
    return Recipe(
        build=lambda digits: start_at_mean(GaussianVAE(20, 400), digits.train.images),
        loss=negative_elbo,
        **_epochs(mnist=10, bundled=100, batch_size=250, learning_rate=1.2e-2),
    )


def bernoulli_vae_8(estimator: str = "exact") -> Recipe:
    """estimator: "exact", for the gradient by enumeration, or a function of labutils.estimators."""
    return _bits(8, 100, _objective(estimator), mnist=3, bundled=40, learning_rate=8e-3)


def bernoulli_vae_200() -> Recipe:
    objective = partial(estimators.bits_elbo, estimators.gumbel_softmax, num_samples=1)
    return _bits(200, 400, objective, mnist=5, bundled=100, learning_rate=1e-2)


def autoencoder_2d() -> Recipe:
    return Recipe(
        build=lambda digits: AutoEncoder(latent_dim=2, hidden_dim=200),
        loss=reconstruction_loss,
        **_epochs(mnist=3, bundled=40, batch_size=250, learning_rate=1.4e-2),
    )


def autoencoder() -> Recipe:
    return Recipe(
        build=lambda digits: AutoEncoder(latent_dim=16, hidden_dim=400),
        loss=reconstruction_loss,
        **_epochs(mnist=4, bundled=60, batch_size=250, learning_rate=1.4e-2),
    )


RECIPES: dict[str, Callable[..., Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        belief_network, classifier, gaussian_vae_2d, gaussian_vae, bernoulli_vae_8,
        bernoulli_vae_200, autoencoder_2d, autoencoder, autoregressive,
    )
}  # fmt: skip


def trained(name: str, digits: Digits, *, seed: int = 0, **choices) -> tuple[nn.Module, History]:
    """The model of a recipe, trained on `digits`, and its history.

    choices: the arguments of the recipe, as in trained("bernoulli_vae_8", digits,
    estimator="disarm"). A run that was finished before, in any of the folders of LABUTILS_RUNS,
    is used, and a line says so; one that was interrupted goes on, to the same weights to the
    last bit. A run is the same if its recipe's name, choices and settings, the data, the initial
    weights, torch's version and FORMAT are. Raises ValueError for another name or choice.
    """
    recipe = _recipe(name, choices)
    if not isinstance(digits, Digits) or digits.source not in ("mnist", "bundled"):
        raise ValueError(
            f"A recipe is for the digits that load() returns, got {digits!r:.80}. To train on data "
            f"of your own, call fit()."
        )
    settings = replace(digits.pick(mnist=recipe.mnist, bundled=recipe.bundled), seed=seed)
    with plain_torch(), seeded(seed):
        model = recipe.build(digits)
    file = f"{name}-{_key(name, choices, settings, digits, model)}.pt"
    history = _finished(name, file, model, settings)
    return model, history or _train(name, file, model, settings, recipe, digits)


def _train(name, file, model, settings, recipe, digits):
    """Train while nobody else trains the same; what somebody else has finished is loaded."""
    file = runs_folders()[0] / file
    with ExitStack() as stack:
        lock = file.parent / "locks" / f"{file.stem}.lock"
        try:
            _make_folder_of_locks(lock.parent)
            checkpoint = Checkpoint(file, stack.enter_context(locked(lock)))
        except OSError:
            checkpoint = Checkpoint(file)  # it will say that the run cannot be kept
        history = _finished(name, file.name, model, settings)  # while we waited for the lock
        return history or train(
            model, recipe.loss, digits, settings, recipe.validation_loss, checkpoint
        )


def _make_folder_of_locks(folder):
    """Whoever may add runs may add locks, whatever the umask of who was the first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        shutil.copymode(folder.parent, folder)


def _finished(name, file, model, settings):
    """The history of a finished run, whose weights go into the model; None without one.

    A line says that it is used.
    """
    for folder in runs_folders():
        try:
            state = read(folder / file)
            history = kept_history(state, model, settings.epochs)
        except Exception as error:  # what is damaged is named when training starts again
            if memory_is_full(error):
                raise
            continue
        if len(history) == settings.epochs:
            model.eval().load_state_dict(state["best"])
            print(f"{name}: a kept run of {len(history)} epochs is used.")
            return history
    return None


def _recipe(name, choices):
    if name not in [*RECIPES]:  # in a list, what cannot be hashed may be looked for, too
        raise ValueError(f"There is no recipe {name!r}. There are: {', '.join(RECIPES)}.")
    try:
        inspect.signature(RECIPES[name]).bind(**choices)
    except TypeError as error:
        known = ", ".join(inspect.signature(RECIPES[name]).parameters) or "none"
        raise ValueError(f"{name} has other choices ({error}). It has: {known}.") from None
    return RECIPES[name](**choices)


def _bits(latent_dim, hidden_dim, objective, **settings):
    def loss(model, images, labels):
        return -objective(model, binarize(images)).mean()

    return Recipe(
        build=lambda digits: start_at_mean(
            BernoulliVAE(latent_dim, hidden_dim), digits.train.images
        ),
        loss=loss,
        validation_loss=negative_elbo,  # with hard bits, whatever the objective is
        **_epochs(batch_size=256, **settings),
    )


def _epochs(mnist, bundled, **shared):
    """The settings of a recipe for the two sources: only the number of epochs differs."""
    return {"mnist": Settings(mnist, **shared), "bundled": Settings(bundled, **shared)}


def _objective(estimator):
    names = ("score_function", "leave_one_out", "straight_through", "gumbel_softmax", "disarm")
    if estimator == "exact":
        return exact_elbo
    if estimator not in names:
        raise ValueError(f"estimator must be exact, {', '.join(names)}, got {estimator!r}.")
    return partial(estimators.bits_elbo, getattr(estimators, estimator))


def _key(name, choices, settings, digits, model):
    """A short name for all that determines a run."""
    tensors = [t for part in (digits.train, digits.validation) for t in (part.images, part.labels)]
    tensors += model.state_dict().values()
    sums = [zlib.crc32(tensor.cpu().contiguous().numpy()) for tensor in tensors]
    where = choose_device().type
    parts = FORMAT, name, sorted(choices.items()), settings, sums, where, torch.__version__
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
