"""What was entered is shown and kept, whatever else is beside it or in its way."""

import labutils as lab
from labutils import runtime
from labutils.data import binarize
from labutils.scoreboard import Nats, Scoreboard

import json
import math
import os
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import small_digits

values = torch.linspace(-120, -100, 50)  # of the 50 test digits: mean -110
HALF = 1.96 * values.double().std().item() / math.sqrt(50)
gain = torch.tensor([3.0, 5.0])


@pytest.fixture
def board(digits):
    return Scoreboard(digits)


def folder():
    return runtime.runs_folders()[0]


def contents(place):
    return {path.name: path.read_bytes() for path in place.iterdir()}


def entry(model="other", **changes):
    """A row as it stands in a file."""
    data = {"model": model, "source": "bundled", "data": "test, drawn once, seed 0"}
    return data | {"images": 50, "exact": {"nats": -200.5, "half_width": 1.5}} | changes


def write(*entries):
    """Files such as another version might have left."""
    folder().mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(entries):
        (folder() / f"board-{number}.json").write_text(json.dumps(each))


def models(board):
    return [row.model for row in board.rows]


def test_the_board_is_the_test_set_drawn_once(digits, board):
    drawn = binarize(digits.test.images, torch.Generator().manual_seed(0))
    assert torch.equal(board.images, drawn)
    assert torch.equal(lab.Scoreboard(digits).images, drawn)
    with pytest.raises(ValueError, match="that load\\(\\) returns, got Split"):
        Scoreboard(digits.test)


def test_a_model_is_one_row_of_its_exact_value_its_elbo_and_its_bound(digits, board):
    board.enter("VAE", exact=values + 5, elbo=values, gain=gain, num_samples=np.int64(1000))
    (row,) = board.rows
    assert row.exact == Nats(pytest.approx(-105), pytest.approx(HALF))
    assert row.elbo == Nats(pytest.approx(-110), pytest.approx(HALF))
    both = 1.96 * math.sqrt((HALF / 1.96) ** 2 + 2 / 2)
    assert row.bound == Nats(pytest.approx(-106), pytest.approx(both))
    assert (row.images, row.num_samples, row.gain_images) == (50, 1000, 2)
    assert Scoreboard(digits).rows == [row], "it is read from the file again"


def test_the_best_comes_first_by_its_tightest_number(board):
    board.enter("coins", exact=values - 90)
    board.enter("ELBO of -110, bound of -106", elbo=values, gain=gain, num_samples=9)
    board.enter("ELBO of -108", elbo=values + 2)
    board.enter("exact -107", exact=values + 3, elbo=values - 50, gain=gain, num_samples=9)
    names = ["ELBO of -110, bound of -106", "exact -107", "ELBO of -108", "coins"]
    assert models(board) == names


def test_a_model_that_is_entered_again_has_one_row(board):
    board.enter("VAE", elbo=values, gain=gain, num_samples=9)
    board.enter("VAE", exact=values - 1)
    (row,) = board.rows
    assert row.exact.nats == pytest.approx(-111)
    assert row.elbo is row.bound is row.num_samples is None
    assert len(contents(folder())) == 1


def test_a_gradient_is_let_go(board):
    board.enter("VAE", elbo=values.clone().requires_grad_())
    assert len(board.rows) == 1


def test_the_table_reads_well_in_a_terminal(board):
    board.enter("coins", exact=values - 90)
    board.enter("a VAE\nof 2 lines", elbo=values, gain=gain, num_samples=1000)
    head, vae, coins, caption = repr(board).splitlines()
    assert re.split("  +", head) == ["model", "exact", "ELBO", "bound (K)", "bits/dim", "images"]
    bound = "-106.00 ± 2.56 (1,000)"
    assert re.split("  +", vae)[:3] == ["a VAE of 2 lines", "-110.00 ± 1.65", bound]
    assert re.split("  +", vae)[3:] == ["0.195", "50 (gain 2)"]
    assert re.split("  +", coins) == ["coins", "-200.00 ± 1.65", "0.368", "50"]
    assert "the digits bundled with scikit-learn (test, drawn once, seed 0): nats per" in caption
    assert len(head) == len(vae) == len(coins.ljust(len(head))), "one column below another"


def test_the_table_of_a_notebook_says_the_same(board):
    board.enter("p < q & <b>", exact=values - 90)
    table = board._repr_html_()
    assert table.count("<tr>") == 2 and table.count("<th") == table.count("<td") == 6
    assert "p &lt; q &amp; &lt;b&gt;" in table and "-200.00 ± 1.65" in table
    assert repr(board).splitlines()[-1] in table


def test_an_empty_board_has_a_head_and_writes_nothing(board):
    assert repr(board).startswith("model ") and "<table>" in board._repr_html_()
    assert board.rows == []
    assert not folder().exists()


def test_looking_changes_no_file(digits, board):
    board.enter("VAE", elbo=values)
    write(entry(), {"foreign": 1})
    before = contents(folder())
    with pytest.warns(UserWarning, match="board-1.json is damaged"):
        assert models(Scoreboard(digits)) == ["VAE", "other"]
    assert contents(folder()) == before


def test_rows_on_other_digits_are_kept_but_not_shown(digits, board):
    board.enter("VAE", elbo=values)
    mnist = Scoreboard(replace(digits, source="mnist"))
    assert "\nMNIST (test, drawn once" in repr(mnist)
    assert mnist.rows == []
    mnist.enter("VAE", elbo=values + 1)
    write(entry("of another draw", data="test, seed 7"))
    board.enter("coins", exact=values)
    assert models(board) == ["VAE", "coins"] and models(mnist) == ["VAE"]
    assert len(contents(folder())) == 4


def test_the_rows_of_all_folders_are_shown_and_ones_own_win(digits, board, tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("own", "theirs", "older")]
    for shift, place in enumerate(folders):
        monkeypatch.setenv("LABUTILS_RUNS", str(place))
        for name in ("shared by all", f"only in {place.name}", "not mine")[: 3 if shift else 2]:
            board.enter(name, elbo=values - shift)
    before = [contents(place) for place in folders]
    monkeypatch.setenv("LABUTILS_RUNS", os.pathsep.join(map(str, folders)))
    means = {row.model: round(row.elbo.nats) for row in Scoreboard(digits).rows}
    assert means == {
        "shared by all": -110, "only in own": -110, "only in theirs": -111,
        "only in older": -112, "not mine": -111,
    }  # fmt: skip
    board.enter("new", elbo=values)
    after = [contents(place) for place in folders]
    assert after[0] != before[0] and after[1:] == before[1:]


# Files that others wrote, or that broke


def test_keys_that_are_unknown_are_ignored_and_kept_and_ints_are_numbers(board):
    write(entry(exact={"nats": -100, "half_width": 1, "more": 2}, comment="by hand"))
    (row,) = board.rows
    assert row.exact == Nats(-100.0, 1.0)
    board.enter("VAE", elbo=values)
    assert b"by hand" in contents(folder())["board-0.json"]


@pytest.mark.parametrize(
    "odd",
    [
        7, "x", None, [entry()], {}, {"model": "m"},
        {"model": "VAE", "kind": "ELBO", "nats": -100.0, "error": 1.0, "source": "bundled",
         "split": "test", "binarisation": "drawn once", "images": 50},
        entry(model=7), entry(model=["x"]), entry(source=None), entry(data=None),
        entry(images=None), entry(images="50"), entry(images=0), entry(exact=None),
        entry(exact=-100.0), entry(exact=[1]), entry(exact={"nats": -100}),
        entry(exact={"nats": math.nan, "half_width": 1}),
        entry(exact={"nats": -1, "half_width": math.inf}),
        entry(exact={"nats": 1, "half_width": 1}),
        entry(exact={"nats": -1, "half_width": -1}),
        entry(exact={"nats": -(10**400), "half_width": 1}),
        entry(exact={"nats": None, "half_width": 1}),
        entry(bound={"nats": -100, "half_width": 1}),
        entry(bound={"nats": -100, "half_width": 1}, num_samples="9", gain_images=1),
    ],
)  # fmt: skip
def test_a_row_that_lacks_what_it_needs_is_left_out_and_kept(odd, board):
    write(odd, entry())
    before = contents(folder())
    with pytest.warns(
        UserWarning, match="board-0.json is damaged or can't be read: its row is not"
    ):
        assert models(board) == ["other"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        board.enter("VAE", elbo=values)
        assert models(board) == ["VAE", "other"]
    assert before.items() <= contents(folder()).items()


@pytest.mark.parametrize(
    "text", ["", "[{", "7", "{}", "\x00\x01", "[" * 100_000, "[1" + "0" * 9999]
)
def test_a_damaged_row_costs_no_other_and_is_replaced_when_its_model_is_entered(
    text, digits, board
):
    board.enter("VAE", elbo=values)
    (file,) = folder().iterdir()
    board.enter("coins", exact=values - 90)
    file.write_text(text)
    with pytest.warns(UserWarning, match=f"{file.name} is damaged"):
        assert models(Scoreboard(digits)) == ["coins"]
    Scoreboard(digits).enter("VAE", elbo=values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert models(board) == ["VAE", "coins"]


def test_a_damaged_row_in_the_folder_of_another_is_left_as_it_is(board, tmp_path, monkeypatch):
    theirs = tmp_path / "theirs"
    theirs.mkdir(parents=True)
    (theirs / "board-0.json").write_text("{")
    own = os.environ["LABUTILS_RUNS"]
    monkeypatch.setenv("LABUTILS_RUNS", own + os.pathsep + str(theirs))
    board.enter("VAE", elbo=values)
    with pytest.warns(UserWarning, match="damaged"):
        assert models(board) == ["VAE"]
    assert contents(theirs) == {"board-0.json": b"{"}


def test_a_board_that_cannot_be_kept_is_still_shown_and_kept_as_soon_as_it_can(digits, board):
    folder().write_text("a file, where a folder should be")
    with warnings.catch_warnings(record=True) as said:
        board.enter("VAE", elbo=values)
        board.enter("coins", exact=values - 90)
        assert models(board) == ["VAE", "coins"]
    assert ["can't be kept in" in str(each.message) for each in said] == [True, False]
    folder().unlink()
    board.enter("flow", exact=values + 1)
    assert models(Scoreboard(digits)) == ["flow", "VAE", "coins"]


def test_a_row_that_cannot_be_replaced_is_not_overwritten(board):
    board.enter("VAE", elbo=values)
    (file,) = folder().iterdir()
    file.unlink()
    file.mkdir()  # a folder, where a file should be
    (file / "mine").write_text("x")
    with pytest.warns(UserWarning, match="can't be kept in"):
        board.enter("VAE", elbo=values)
    with pytest.warns(UserWarning, match="can't be read"):
        assert models(board) == ["VAE"]
    assert (file / "mine").read_text() == "x"


def test_what_cannot_be_read_is_said_once(board):
    folder().write_text("a file, where a folder should be")
    with pytest.warns(UserWarning, match="can't be read") as said:
        assert board.rows == board.rows == []
    assert len(said) == 1


# What is entered


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"elbo": None}, "exact log-likelihoods or an ELBO, got neither"),
        ({"name": ""}, "name, got ''"),
        ({"name": None}, "name, got None"),
        ({"elbo": -100.0}, "elbo must be a tensor.*got builtins.float"),
        ({"elbo": values.numpy()}, "elbo must be a tensor.*got numpy.ndarray"),
        ({"elbo": values[:49]}, "elbo needs one value for each of the 50 images, got 49"),
        ({"elbo": None, "exact": values[None]}, r"exact must be.*shape \(1, 50\)"),
        ({"exact": values.where(values > -119, -math.inf)}, "got 3 values that are not"),
        ({"elbo": -values}, "Was a loss passed"),
        ({"exact": -values}, "Was a loss passed"),
        ({"gain": gain}, "num_samples"),
        ({"num_samples": 5}, "its gain"),
        ({"elbo": None, "exact": values, "gain": gain, "num_samples": 5}, "needs the ELBO"),
        ({"gain": gain, "num_samples": 0}, "num_samples must be"),
        ({"gain": gain, "num_samples": 2.5}, "num_samples must be"),
        ({"gain": 4.0, "num_samples": 5}, "gain must be a tensor"),
        ({"gain": gain * math.nan, "num_samples": 5}, "gain must be finite"),
        ({"gain": gain + 117, "num_samples": 5}, "Was a loss passed"),
    ],
)
def test_what_is_not_complete_is_refused(wrong, message, board):
    row = {"name": "VAE", "elbo": values} | wrong
    with pytest.raises(ValueError, match=message):
        board.enter(row.pop("name"), **row)
    assert board.rows == []


def enter(number, runs):
    os.environ["LABUTILS_RUNS"] = runs
    board = Scoreboard(small_digits())
    for row in range(20):
        board.enter(f"model {number}.{row}", elbo=values)


def test_processes_that_enter_rows_at_once_lose_none(processes, board):
    runs = str(runtime.runs_folders()[0])
    started = [processes.Process(target=enter, args=(number, runs)) for number in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert len(board.rows) == 80
