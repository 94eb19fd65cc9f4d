"""The long trainings of benchmarks/literature.py go on after a loss, or start again and say so."""

import labutils as lab
from labutils.autoregressive import BeliefNetwork
from labutils.recipes import negative_elbo, negative_log_likelihood
from labutils.training import Settings

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch


@pytest.fixture
def literature(tmp_path, monkeypatch):
    """The module benchmarks/literature.py, whose results go to a folder of the test."""
    file = Path(__file__).resolve().parent.parent / "benchmarks" / "literature.py"
    spec = importlib.util.spec_from_file_location("literature", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


@pytest.fixture
def row(literature):
    return literature.Row(
        published=-1.0,
        build=lambda digits: BeliefNetwork(digits.train.images.mean(0), hidden_dim=3),
        loss=negative_log_likelihood,
        validation_loss=negative_log_likelihood,
        settings=Settings(epochs=3, batch_size=50, learning_rate=1e-2),
        static=True,
        samples=(),
    )


def results(literature, name):
    kept = json.loads((literature.RESULTS / f"{name}.json").read_text())
    assert len(kept["CPU seconds"]) == len(kept["seconds"]) == len(kept["validation"])
    return kept


def lost_in_epoch(epoch, loss):
    """The loss in a process that ends without a word in the middle of an epoch of two steps."""
    steps = 0

    def lost(model, images, labels):
        nonlocal steps
        steps += model.training
        if steps == 2 * epoch:
            raise SystemExit
        return loss(model, images, labels)

    return lost


def test_a_lost_process_resumes_to_the_same_numbers(literature, row, digits, capsys):
    literature.go("in_one_go", row, digits)
    with pytest.raises(SystemExit):
        literature.go("lost", replace(row, loss=lost_in_epoch(2, row.loss)), digits)
    literature.go("lost", row, digits)
    assert "1 of 3 epochs are done" in capsys.readouterr().out
    one, other = (results(literature, name) for name in ("in_one_go", "lost"))
    assert len(one["validation"]) == 3
    assert (other["validation"], other["scores"]) == (one["validation"], one["scores"])


def test_a_go_ends_when_its_minutes_are_over_and_the_next_goes_on(
    literature, row, digits, monkeypatch
):
    row = replace(row, samples=(2, 20), static=False, build=lambda digits: lab.GaussianVAE(2, 3),
                  loss=negative_elbo, validation_loss=negative_elbo)  # fmt: skip
    monkeypatch.setattr(literature, "MINUTES", 0)
    for epochs in (1, 2):
        with pytest.warns(match="was interrupted"):
            literature.go("vae", row, digits)
        kept = results(literature, "vae")
        assert (len(kept["validation"]), kept["scores"]) == (epochs, {})
    literature.go("vae", row, digits)
    kept = results(literature, "vae")
    assert len(kept["validation"]) == 3
    assert [*kept["scores"]] == ["ELBO", "bound, K = 2", "bound, K = 20"]
    literature.draw()
    assert (literature.RESULTS / "curves.png").stat().st_size > 1_000


def test_a_damaged_checkpoint_starts_again_and_says_so(literature, row, digits, capsys):
    literature.go("row", row, digits)
    before = results(literature, "row")["validation"]
    (kept,) = (lab.recipes.runs_folders()[0] / "literature").glob("*.pt")
    kept.write_bytes(kept.read_bytes()[:-1000])
    with pytest.warns(match="damaged or cannot be read: training starts again"):
        literature.go("row", row, digits)
    assert "0 of 3 epochs are done" in capsys.readouterr().out.split("History")[1]
    assert results(literature, "row")["validation"] == before


def test_another_torch_starts_again_and_says_so(literature, row, digits, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.1")
        literature.go("row", row, digits)
    assert "starts again" not in capsys.readouterr().out
    literature.go("row", row, digits)
    said = capsys.readouterr().out
    assert "training starts again" in said and "torch 0.1" in said
    assert "0 of 3 epochs are done" in said
    assert results(literature, "row")["torch"] == torch.__version__


def test_the_cost_of_a_row_is_measured(literature, row, digits):
    assert 0 < literature.seconds_per_epoch(row, digits, batches=2) < 60
