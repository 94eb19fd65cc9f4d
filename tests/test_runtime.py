"""Seeds and modes are given back; files appear whole; a lock is never waited for for ever."""

from labutils import runtime
from labutils.runtime import (
    atomic_write,
    environment_folder,
    locked,
    own_seed,
    plain_torch,
    random_state,
    runs_folders,
    seeded,
    set_random_state,
)

import os
import signal
import stat
import tempfile
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock

find_cache_folder = runtime.cache_folder  # before the tests' own takes its place

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither umask nor SIGSTOP")


# Torch's state


def test_the_same_seed_gives_the_same_draws_as_torchs_own():
    torch.manual_seed(3)
    expected = torch.rand(4)
    with seeded(3):
        assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("seed", [None, "1", 1.0, -1, 2**64])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"), seeded(seed):
        pass


def test_the_state_outside_is_given_back_after_an_error_too():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(3):
        torch.rand(4)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


def test_each_purpose_has_a_seed_of_its_own():
    seeds = {own_seed(seed, purpose) for seed in range(100) for purpose in ("one", "other")}
    assert len(seeds) == 200
    assert own_seed(3, "one") == own_seed(3, "one")
    assert max(seeds) < 2**32, "torch's generator for the CPU drops the bits above"


class Accelerators:
    """Stands for torch.cuda and torch.accelerator on two devices: a generator each."""

    def __init__(self):
        self.generators = [torch.Generator().manual_seed(7), torch.Generator().manual_seed(8)]
        self.current = 0

    def current_device_index(self):
        return self.current

    def set_device_index(self, index):
        self.current = index

    def manual_seed(self, seed):
        self.generators[self.current].manual_seed(seed)

    def get_rng_state(self):
        return self.generators[self.current].get_state()

    def set_rng_state(self, state):
        self.generators[self.current].set_state(state)

    def states(self):
        return [generator.get_state() for generator in self.generators]


@pytest.fixture
def devices(monkeypatch):
    devices = Accelerators()
    monkeypatch.setattr(torch, "accelerator", devices)
    monkeypatch.setattr(torch, "get_device_module", lambda _: devices)
    return devices


@pytest.mark.parametrize("current", [0, 1])
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_the_named_accelerator_is_seeded_and_given_back(name, current, devices):
    devices.current = current
    before = devices.states()
    named = current if name == "cuda" else int(name[-1])
    with seeded(3, name):
        assert devices.current == current
        drawn = torch.rand(4, generator=devices.generators[named])
        assert torch.equal(devices.states()[1 - named], before[1 - named])
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(3)))
    assert all(map(torch.equal, devices.states(), before))


@pytest.mark.parametrize("part", [{}, {"accelerator": torch.zeros(3, dtype=torch.uint8)}])
def test_a_random_state_that_lacks_a_part_changes_nothing(part, devices):
    with seeded(5):
        other = random_state(torch.device("cpu"))
    before, of_devices = torch.get_rng_state(), devices.states()
    with pytest.raises((KeyError, RuntimeError)):
        set_random_state(other | part, torch.device("cuda"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, devices.states(), of_devices))


def test_a_device_without_random_numbers_leaves_those_of_the_cpu(devices, monkeypatch):
    def fail(seed):
        raise RuntimeError("no random numbers")

    monkeypatch.setattr(devices, "manual_seed", fail)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no random"), seeded(3, "cuda"):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_other_devices_are_left_alone(monkeypatch):
    for name in ("manual_seed", "manual_seed_all"):
        monkeypatch.setattr(torch.cuda, name, lambda seed: pytest.fail("seeds every GPU"))
    with seeded(3):
        torch.rand(4)


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_inside_plain_torch_gradients_flow(around):
    weights = torch.ones(2, requires_grad=True)
    with around():
        outside = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        with plain_torch():
            (weights**2).sum().backward()
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == outside
    assert weights.grad.tolist() == [2, 2]


def test_gradients_switched_off_for_good_stay_off_outside():
    torch.set_grad_enabled(False)
    try:
        with plain_torch():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_inside_plain_torch_numbers_are_float32():
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ZeroDivisionError), plain_torch():
            assert torch.rand(1).dtype == torch.float32
            raise ZeroDivisionError
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


# Folders


@pytest.fixture
def homeless(monkeypatch):
    """As in a container: neither HOME nor an entry for the user."""
    pwd = pytest.importorskip("pwd")

    def unknown(user):
        raise KeyError(user)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(pwd, name, unknown)


def test_without_a_home_the_cache_is_a_temporary_folder(homeless):
    folder = find_cache_folder()
    assert folder.is_absolute()
    assert folder.is_relative_to(tempfile.gettempdir())


def test_a_cache_folder_that_cannot_be_found_is_a_temporary_one(monkeypatch):
    def fail(name):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(runtime, "user_cache_path", fail)
    assert find_cache_folder().is_relative_to(tempfile.gettempdir())


def test_a_cache_folder_below_an_unknown_home_is_a_temporary_one(monkeypatch):
    monkeypatch.setattr(runtime, "user_cache_path", lambda name: Path("~/.cache") / name)
    assert find_cache_folder().is_relative_to(tempfile.gettempdir())


def test_a_home_that_nobody_knows_is_named(homeless):
    with pytest.raises(ValueError, match="The home folder in '~/data' is unknown. Write out"):
        environment_folder("~/data")


@pytest.mark.parametrize("text", [None, "", " ", '"', "''", '" "'])
def test_nothing_but_quotes_and_blanks_names_no_folder(text):
    assert environment_folder(text) is None


@pytest.mark.parametrize(
    "form", ['"{}"', "'{}'", "{} ", " {}\n", '"{}', "{}\r", '" {} "', "“{}”", "‘{}’"]
)
def test_quotes_and_blanks_are_dropped(form, tmp_path):
    assert environment_folder(form.format(tmp_path / "a b")) == tmp_path / "a b"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert environment_folder("'~/data'") == tmp_path / "data"
    assert environment_folder("$HOME/data") == tmp_path / "data"


@pytest.mark.parametrize("text", ["data", "./data", "data/"])
def test_a_relative_folder_is_found_above_the_working_folder(text, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert environment_folder(text) == tmp_path / "notebooks" / "data"  # it is nowhere yet
    (tmp_path / "data").mkdir()
    assert environment_folder(text) == tmp_path / "data"
    (tmp_path / "notebooks" / "data").mkdir()
    assert environment_folder(text) == tmp_path / "notebooks" / "data"


def test_runs_may_be_in_several_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = os.pathsep.join([f'"{tmp_path}/mine"', "", " theirs "])
    monkeypatch.setenv("LABUTILS_RUNS", named)
    assert runs_folders() == [tmp_path / "mine", tmp_path / "theirs"]


@pytest.mark.parametrize("named", ["", " ", os.pathsep, '""'])
def test_without_a_name_runs_are_in_the_cache_folder(named, tmp_path, monkeypatch):
    monkeypatch.setenv("LABUTILS_RUNS", named)
    assert runs_folders() == [tmp_path / "cache" / "runs"]


# Files


def test_a_file_appears_only_when_it_is_written_in_full(tmp_path):
    with atomic_write(tmp_path / "file") as file:
        file.write(b"whole")
        file.flush()
        assert not (tmp_path / "file").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "file") as file:
        file.write(b"ne")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["file", "a [b] *.pt"])
def test_what_a_killed_process_left_behind_is_removed_an_hour_later(name, tmp_path):
    if os.name == "nt":
        name = name.replace("*", "")
    old, new, foreign, other = (
        tmp_path / each
        for each in (
            f".{name}.{'0a' * 8}", f".{name}.{'0b' * 8}", f".{name}.my-own-copy", f".x.{'0c' * 8}"
        )
    )  # fmt: skip
    for path in (old, new, foreign, other):
        path.write_bytes(b"half")
        if path != new:
            os.utime(path, (time.time() - 4_000,) * 2)
    with atomic_write(tmp_path / name) as file:
        file.write(b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {name, new.name, foreign.name, other.name}


def test_two_writers_with_one_process_number_do_not_mix(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as first:
        first.write(b"first, ")
        first.flush()
        with atomic_write(path) as second:
            second.write(b"2")
        assert path.read_bytes() == b"2"
        first.write(b"whole")
    assert path.read_bytes() == b"first, whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644)])
def test_the_mode_of_a_written_file_follows_the_umask(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "file") as file:
            file.write(b"whole")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@posix
def test_who_may_read_a_file_may_read_the_next_one(tmp_path):
    """A member of a group with a umask of 077 does not hide the group's board."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o664)
    before = os.umask(0o077)
    try:
        with atomic_write(path) as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


@pytest.fixture
def refuse(monkeypatch):
    """os.replace is refused the first few times, as by a virus scanner."""
    replace = os.replace

    def refuse(times):
        refusals = iter(range(times))

        def refused(source, target):
            if next(refusals, None) is not None:
                raise PermissionError(13, "Access is denied", str(target))
            replace(source, target)

        monkeypatch.setattr(os, "replace", refused)

    return refuse


def test_a_refused_replacement_is_tried_again(refuse, tmp_path):
    refuse(3)
    with atomic_write(tmp_path / "file") as file:
        file.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_replacement_that_is_always_refused_is_reported(refuse, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "REPLACE_TRIED_FOR", 0.1)
    (tmp_path / "file").write_bytes(b"old")
    refuse(1_000_000)
    with pytest.raises(PermissionError, match="denied"), atomic_write(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Locks


@posix
def test_anyone_may_use_a_lock_file(tmp_path):
    before = os.umask(0o022)
    try:
        with locked(tmp_path / "lock"):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o666
    finally:
        os.umask(before)


@posix
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can change")
def test_a_second_user_of_a_group_folder_gets_the_lock(processes):
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are private
        os.chown(folder, 0, 1000)
        os.chmod(folder, 0o2775)
        for user in (1001, 1002):
            process = processes.Process(target=lock_as, args=(user, Path(folder, "lock")))
            process.start()
            process.join()
            assert process.exitcode == 0


def lock_as(user, path):
    os.umask(0o022)
    os.setgroups([])
    os.setgid(1000)
    os.setuid(user)
    with locked(path) as renew:
        renew()


def test_a_lock_that_cannot_be_made_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError), locked(tmp_path / "file" / "lock"):
        pass


def test_a_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with locked(tmp_path / "lock"):
            pass


class Clock:
    """Seconds that pass only when somebody looks: one at each look; `life` is told of each."""

    def __init__(self, life):
        self.now, self.life = 1_000_000.0, life

    def monotonic(self):
        self.now += 1
        self.life(self.now)
        return self.now

    def time(self):
        return self.now


@pytest.fixture
def wait(tmp_path, monkeypatch):
    """Waits for a lock that is held until `life`, told of each second, releases it.

    Gives the seconds waited, and the warnings.
    """
    path = tmp_path / "lock"
    monkeypatch.setattr(runtime, "POLL", 0.0)

    def wait(life, age=0):
        holder = FileLock(path)
        holder.acquire()
        os.utime(path, (1_000_000 - age,) * 2)
        clock = Clock(lambda now: life(now - 1_000_000, path, holder))
        monkeypatch.setattr(runtime, "time", clock)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            lock = FileLock(path)
            free = runtime._acquire(lock, path)
        holder.release()
        lock.release()
        return free, clock.now - 1_000_000, [str(warning.message) for warning in caught]

    return wait


def test_a_lock_that_is_free_soon_is_taken_without_a_word(wait):
    free, _, said = wait(lambda now, path, holder: now < 4 or holder.release())
    assert (free, said) == (True, [])


def test_after_five_seconds_one_line_says_what_is_waited_for(wait, tmp_path):
    free, _, said = wait(lambda now, path, holder: now < 50 or holder.release())
    assert free
    assert said == [f"Waiting for another process, which holds the lock {tmp_path / 'lock'}."]


def test_a_silent_holder_is_waited_for_for_a_minute(wait, tmp_path):
    free, seconds, said = wait(lambda now, path, holder: None)
    assert not free
    assert 60 <= seconds <= 63
    assert said[1].startswith(
        f"Going on without the lock {tmp_path / 'lock'}: another process holds it"
    )
    assert len(said) == 2


def test_a_holder_that_has_long_been_silent_is_not_given_another_minute(wait):
    free, seconds, _ = wait(lambda now, path, holder: None, age=3600)
    assert not free
    assert seconds < 10


def test_a_holder_that_shows_life_is_waited_for(wait):
    def live(now, path, holder):
        if now > 500:
            holder.release()
        elif now % 10 == 0:
            os.utime(path, (1_000_000 + now,) * 2)

    free, seconds, _ = wait(live)
    assert free
    assert seconds > 500


def test_a_holder_on_another_clock_is_waited_for_as_well(wait):
    """Its machine is two minutes late, or early: what changes is alive."""
    for error in (-120, 120):

        def live(now, path, holder, error=error):
            if now > 300:
                holder.release()
            elif now % 4 == 0:
                os.utime(path, (1_000_000 + error + now,) * 2)

        assert wait(live, age=-error)[0]


def test_a_sign_of_life_dates_the_lock_file_and_is_cheap(tmp_path, monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, time=time.time, now=0.0)
    monkeypatch.setattr(runtime, "time", clock)
    path = tmp_path / "lock"
    with locked(path) as renew:

        def renewed_at(now):
            clock.now = now
            os.utime(path, (5, 5))
            renew()
            return path.stat().st_mtime != 5

        assert [renewed_at(now) for now in (1.0, 2.5, 3.0, 9.0)] == [False, True, False, True]


def hold(path, pipe):
    with locked(path):
        pipe.send("held")
        pipe.recv()


@posix
def test_a_stopped_process_is_named_and_then_passed_over(tmp_path, processes, monkeypatch):
    monkeypatch.setattr(runtime, "WORD_AFTER", 0.2)
    monkeypatch.setattr(runtime, "SILENT_AFTER", 0.5)
    path = tmp_path / "lock"
    ours, theirs = processes.Pipe()
    process = processes.Process(target=hold, args=(path, theirs))
    process.start()
    try:
        assert ours.recv() == "held"
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.warns(UserWarning) as caught, locked(path) as renew:
            renew()
    finally:
        process.kill()
        process.join()
    waiting, going_on = (str(warning.message) for warning in caught)
    assert waiting.startswith(f"Waiting for process {process.pid} on ")
    assert waiting.endswith(f", which holds the lock {path}.")
    assert going_on.startswith(f"Going on without the lock {path}: process {process.pid} on ")
    assert {warning.filename for warning in caught} == {__file__}
