"""How fast fit() trains, as ratios measured in one run on the same network.

The network is a 784-400-20-400-784 VAE, batch 128, Adam, on MNIST's 50,000 training images.
fit() is compared with the usual loop (torchvision data set, ToTensor, DataLoader, .item() at every
step), and with nothing but the matrix products of the epoch. Both loops minimise the same
function, the usual one as tutorials write it, fit() as the course does: with logits. A second
run of fit() on the tutorials' code says how much of the difference that is. All take turns, and
the fastest of each counts: other work on the machine can only slow them down.
"""

from labutils import GaussianVAE, elbo, fit, load
from labutils.mnist import find_or_download
from labutils.runtime import cache_folder, environment_folder

import gzip
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional as F

ROUNDS, BATCH = 5, 128
LAYERS = ((784, 400), (400, 40), (20, 400), (400, 784))  # inputs and outputs of each product


def main():
    digits = load(source="mnist")
    with tempfile.TemporaryDirectory() as folder:
        dataset = usual_dataset(folder)
        rounds = [
            (usual(dataset), ours(digits, minus_elbo), ours(digits, usual_loss), bare())
            for _ in range(ROUNDS)
        ]
    slow, fast, same_loss, floor = map(min, zip(*rounds, strict=True))
    print(f"seconds per epoch: usual loop {slow:.2f}, fit() {fast:.2f}, products alone {floor:.2f}")
    print(f"usual loop / fit()                {slow / fast:.2f}  (aim: at least 3)")
    print(f"usual loop / fit(), usual loss    {slow / same_loss:.2f}")
    print(f"fit() / products                  {fast / floor:.2f}  (aim: at most 1.9)")


def usual_dataset(folder):
    """torchvision's MNIST, which wants its files unpacked in a folder of its own."""
    raw = Path(folder, "MNIST", "raw")
    raw.mkdir(parents=True)
    sources = [environment_folder(os.environ.get("LABUTILS_DATA")), cache_folder()]
    for name, path in find_or_download([source for source in sources if source]).items():
        packed = path.read_bytes()
        unpacked = gzip.decompress(packed) if path.suffix == ".gz" else packed
        (raw / name.removesuffix(".gz")).write_bytes(unpacked)
    import_torchvision()
    from torchvision import datasets, transforms

    whole = datasets.MNIST(folder, train=True, transform=transforms.ToTensor())
    return torch.utils.data.Subset(whole, range(50_000))


def import_torchvision():
    """Import torchvision, also beside a torch that has no CUDA.

    There the wheel of the package index cannot load its compiled operators, and then fails to
    import because two of them are registered without a guard. Declaring these two is enough
    for data sets and transforms, which never call them.
    """
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for module in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[module]
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision.datasets

        torchvision.declared_operators = operators  # they vanish when this object does
    return torchvision


def minus_elbo(model, images, labels):
    """On grey pixels, as the usual loop has it: the same number, up to the noise drawn."""
    return -elbo(model, images).mean()


def usual_loss(model, images, labels):
    """What many tutorials minimise: on grey pixels, which is no likelihood (notebook 03)."""
    mean, log_var = model.encoder(images).chunk(2, dim=-1)
    z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
    distortion = F.binary_cross_entropy(model.decoder(z).sigmoid(), images, reduction="sum")
    return (distortion - 0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())) / len(images)


def usual(dataset):
    """An epoch as many tutorials write it."""
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
    model = GaussianVAE(20, 400)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    started, total = time.perf_counter(), 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        value = usual_loss(model, images.view(-1, 784), labels)
        value.backward()
        total += value.item()
        optimizer.step()
    return time.perf_counter() - started


def ours(digits, loss):
    """An epoch of fit(), validation and checkpoint left out."""
    digits = replace(digits, validation=digits.validation[:1])
    settings = {"epochs": 2, "batch_size": BATCH, "learning_rate": 1e-3, "seed": 0}
    return min(fit(GaussianVAE(20, 400), loss, digits, **settings).seconds)


def bare():
    """The matrix products of an epoch: forward, and backward for weights and inputs."""
    weights = [torch.randn(outputs, inputs) for inputs, outputs in LAYERS]
    inputs = [torch.randn(BATCH, inputs) for inputs, _ in LAYERS]
    outputs = [torch.randn(BATCH, outputs) for _, outputs in LAYERS]
    started = time.perf_counter()
    for _ in range(-(-50_000 // BATCH)):
        for layer, (w, x, y) in enumerate(zip(weights, inputs, outputs, strict=True)):
            x @ w.T
            y.T @ x
            if layer > 0:  # nothing needs the gradient of the pixels
                y @ w
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
