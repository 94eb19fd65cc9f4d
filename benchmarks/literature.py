"""Rows of the literature, trained as far as a machine gets: nats against hours.

    python benchmarks/literature.py [ROW]

Says what each row costs on this machine; with the name of one, trains its model, at most 15
minutes in one go. The same command goes on from there: trained epochs are kept beside the runs of
the course. The curve so far, and in the end the scores on the scoreboard's test digits, are in
literature/ROW.json, and drawn in literature/curves.png.
"""

import labutils as lab
from labutils import estimators
from labutils.autoregressive import BeliefNetwork
from labutils.checkpoints import Checkpoint, read
from labutils.models import evaluating
from labutils.recipes import negative_elbo, negative_log_likelihood
from labutils.runtime import atomic_write, choose_device, locked, own_seed, runs_folders
from labutils.training import Loss, Settings, train

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, replace
from datetime import date
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

MINUTES = 15  # in one go, and then the epoch is finished
DECODED = 2_500_000  # codes for one bound: about a minute on one core
RESULTS = Path(__file__).with_name("literature")


@dataclass(frozen=True)
class Row:
    """A model and its training, beside a published number in nats where there is one."""

    published: float | None
    build: Callable[[lab.data.Digits], nn.Module]
    loss: Loss
    validation_loss: Loss
    settings: Settings
    static: bool  # pixels are drawn once; else anew for each batch
    samples: tuple[int, ...]  # K of each bound; none where log p(x) is exact


def negative_relaxed_elbo(model, images, labels):
    """To train bits on: by Gumbel-Softmax with one sample."""
    x = lab.binarize(images)
    return -estimators.bits_elbo(estimators.gumbel_softmax, model, x, num_samples=1).mean()


BERNOULLI = Row(
    published=-107.2,
    build=lambda digits: lab.start_at_mean(lab.BernoulliVAE(200, None), digits.train.images),
    loss=negative_relaxed_elbo,
    validation_loss=negative_elbo,
    settings=Settings(epochs=100, batch_size=128, learning_rate=2e-2),
    static=True,
    samples=(100, 1000),
)
AUTOREGRESSIVE = Row(
    published=-88.33,  # NADE, with one order
    build=lambda digits: BeliefNetwork(digits.train.images.mean(0), hidden_dim=1000),
    loss=negative_log_likelihood,
    validation_loss=negative_log_likelihood,
    settings=Settings(epochs=10, batch_size=250, learning_rate=1e-2),
    static=True,
    samples=(),
)
ROWS = {
    "gaussian_vae": Row(
        published=-86.76,
        build=lambda digits: lab.start_at_mean(lab.GaussianVAE(50, 500), digits.train.images),
        loss=negative_elbo,
        validation_loss=negative_elbo,
        settings=Settings(epochs=100, batch_size=250, learning_rate=5e-3),
        static=False,
        samples=(5000,),
    ),
    "bernoulli_vae": BERNOULLI,
    "bernoulli_vae_dynamic": replace(
        BERNOULLI,
        published=None,
        static=False,
        settings=replace(BERNOULLI.settings, epochs=200),
    ),
    "autoregressive": AUTOREGRESSIVE,
    "autoregressive_dynamic": replace(
        AUTOREGRESSIVE,
        published=None,
        static=False,
        settings=replace(AUTOREGRESSIVE.settings, epochs=15),  # new pixels put overfitting off
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row", nargs="?", choices=ROWS)
    name = parser.parse_args().row
    digits = lab.load(source="mnist")
    for each in [name] if name else ROWS:
        seconds = seconds_per_epoch(ROWS[each], digits)
        epochs = ROWS[each].settings.epochs
        print(f"{each}: {seconds:.1f} s per epoch on this machine as it is now, "
              f"{epochs * seconds / 60:.0f} minutes for {epochs} epochs", flush=True)  # fmt: skip
    if name:
        go(name, ROWS[name], digits)
        draw()


def seconds_per_epoch(row, digits, batches=20):
    """Measured: the second of two epochs on a few batches, scaled up."""
    few = digits.train[: batches * row.settings.batch_size]
    part = replace(digits, train=few, validation=digits.validation[:1_000])
    settings = replace(row.settings, epochs=2)
    history = train(row.build(digits), row.loss, part, settings, row.validation_loss)
    return history.seconds[1] * len(digits.train) / len(few)


def go(name, row, digits):
    """Train a row for MINUTES and write its curve; at the end of its epochs, its scores as well."""
    data = drawn_once(digits) if row.static else digits
    device = choose_device()
    with lab.seeded(row.settings.seed):
        model = row.build(digits)
    checkpoint = Go(kept(name, row, device))
    with locked(checkpoint.file.with_suffix(".lock")) as checkpoint.renew:
        history = train(model, row.loss, data, row.settings, row.validation_loss, checkpoint)
    print(f"{name}: {history!r}")
    board, finished = lab.Scoreboard(digits), len(history) == history.epochs
    results = {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "settings": asdict(row.settings),
        "pixels to train on": "drawn once" if row.static else "drawn anew for each batch",
        "pixels scored": board.data,
        "published": row.published,
        "best epoch": history.best,
        "scores": scores(model.to(device), row, board.images.to(device)) if finished else {},
        "validation": [-round(nats, 3) for nats in history.validation],
        "seconds": [round(seconds, 2) for seconds in history.seconds],
        "CPU seconds": [round(seconds, 2) for seconds in checkpoint.cpu],
    }
    for score, (nats, half_width) in results["scores"].items():
        print(f"{name}: {score} {nats:.2f} ± {half_width:.2f} nats, "
              f"published {row.published or 'nothing'}")  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in results.items())
    with atomic_write(RESULTS / f"{name}.json") as file:
        file.write(f"{{\n{lines}\n}}\n".encode())


def drawn_once(digits):
    """The digits, with every pixel that is trained or validated on drawn once and for all."""
    with lab.seeded(own_seed(0, "static binarisation")):
        train, validation = (
            replace(split, images=lab.binarize(split.images))
            for split in (digits.train, digits.validation)
        )
    return replace(digits, train=train, validation=validation)


def kept(name, row, device):
    """The checkpoint of a row. A line says so where there is only one that cannot go on."""
    folder = runs_folders()[0] / "literature"
    folder.mkdir(parents=True, exist_ok=True)
    parts = name, f"torch {torch.__version__}", device.type, *astuple(row.settings)
    file = folder / f"{'-'.join(map(str, parts))}.pt"
    others = sorted(other.name for other in folder.glob(f"{name}-*.pt"))
    if others and file.name not in others:
        print(f"{name}: training starts again, since {others} is of another version of torch, "
              f"another device or other settings than {file.name}.")  # fmt: skip
    return file


class Go(Checkpoint):
    """A checkpoint that keeps the CPU seconds of each epoch as well, and ends when time is up."""

    def resume(self, start):
        run = super().resume(start)
        self.cpu = read(self.file)["cpu"] if run.history.best else []
        print(f"{len(run.history)} of {run.history.epochs} epochs are done, at most {MINUTES} "
              f"minutes are spent now.", flush=True)  # fmt: skip
        self.until, self.clock = time.monotonic() + 60 * MINUTES, time.process_time()
        return run

    def write(self, run):
        before, self.clock = self.clock, time.process_time()
        self.cpu.append(self.clock - before)
        state = run.state_dict() | {"cpu": self.cpu}
        super().write(SimpleNamespace(state_dict=lambda: state))
        if time.monotonic() > self.until and not run.finished:
            raise KeyboardInterrupt  # fit() then returns what it has


def scores(model, row, x):
    """The mean log-likelihood of images x, or lower bounds, each with half of its interval."""
    if not row.samples:
        with evaluating(model):
            exact = torch.cat([model.log_prob(some) for some in x.split(1_000)])
        return {"log p(x)": mean(exact)}
    found = {}
    for samples in row.samples:
        elbo, gain = lab.elbo_and_gain(model, x, min(len(x), DECODED // samples), samples)
        found |= {"ELBO": mean(elbo), f"bound, K = {samples}": mean(elbo, gain)}
    return found


def mean(*terms):
    """The sum of the means, and half of its 95 % interval: both in nats."""
    nats = sum(term.mean() for term in terms)
    return round(nats.item(), 3), round(lab.half_width(*terms).item(), 3)


def draw():
    """All rows that were measured: validation digits along the training, and test scores."""
    from labutils.figures import plt, use_style

    use_style()
    figure, axes = plt.subplots(figsize=(9, 8), layout="constrained")
    for file in sorted(RESULTS.glob("*.json")):
        row = json.loads(file.read_text())
        clock = "CPU seconds" if row["device"] == "cpu" else "seconds"
        hours = [seconds / 3600 for seconds in accumulate(row[clock])]
        (line,) = axes.plot(hours, row["validation"], label=file.stem)
        for score, (nats, _) in row["scores"].items():
            axes.plot(hours[-1], nats, "o", color=line.get_color())
            axes.annotate(score.removeprefix("bound, "), (hours[-1], nats), (6, -4),
                          textcoords="offset points", fontsize=10,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0})  # fmt: skip
        if row["published"]:
            axes.axhline(row["published"], color=line.get_color(), linestyle=":")
    axes.set(xlabel="hours of the CPU, or by the clock on a GPU", xlim=(0, None))
    axes.set(ylabel="nats per image", ylim=(-145, -80))
    axes.set_title("Lines: ELBO or log p(x), validation; dots: test; dotted: published")
    figure.legend(loc="outside lower center", ncols=3)
    with atomic_write(RESULTS / "curves.png") as file:
        figure.savefig(file, format="png", dpi=80)


if __name__ == "__main__":
    main()
