"""Everything between a student and MNIST breaks: each time there is data, or one clear sentence.

The mirrors are a real server on this machine; /silent/ is the mirror that never answers.
"""

from labutils import data, runtime
from labutils import mnist as mnist_files
from labutils.data import load
from labutils.mnist import DataError
from labutils.runtime import atomic_write

import gzip
import math
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ONE = "train-labels-idx1-ubyte.gz"
PATIENCE = 30  # seconds after which a server that hangs gives up: then the test fails
ALLOWED = {"download.lock", "download.failed"}


class Mirror(BaseHTTPRequestHandler):
    """Answers /fault/file: each fault is a method."""

    def do_GET(self):
        fault, name = self.path.strip("/").split("/")
        self.server.requests.append((fault, name))
        getattr(self, fault)(self.server.files[name])

    def good(self, body, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def truncated(self, body):
        self.good(body[:-9], len(body))

    def cut_off(self, body):  # and the client cannot tell: nobody said how long it would be
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body[:-9])

    def corrupted(self, body):
        self.good(body[:-9] + bytes([body[-9] ^ 1]) + body[-8:])

    def another(self, body):
        self.good(self.server.files["t10k-labels-idx1-ubyte.gz"])

    def login(self, body):
        self.good(b"<html>Welcome to the network of this hotel. Please sign in.</html>")

    def empty(self, body):
        self.send_response(200)
        self.end_headers()

    def unavailable(self, body):
        self.send_error(503)

    def unheard(self, body):
        self.connection.shutdown(socket.SHUT_RDWR)

    def nonsense(self, body):
        self.wfile.write(b"I do not speak HTTP\r\n\r\n")

    def silent(self, body):
        self.server.over.wait(PATIENCE)

    def stalled(self, body):
        self.good(body[: len(body) // 2], len(body))
        self.wfile.flush()
        self.server.halfway.set()
        self.server.over.wait(PATIENCE)

    def trickling(self, body):  # a byte now and then: never silent for long, never done
        self.good(b"", len(body))
        self.trickle(body)

    def mumbling(self, body):  # the same, before the body begins
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self.trickle(b"X-Mumble: m\r\n" * 1000)

    def trickle(self, text):
        for byte in text:
            self.wfile.write(bytes([byte]))
            if self.server.over.wait(0.05):
                return

    def log_message(self, *args):
        pass


HANGING = ("silent", "stalled", "trickling", "mumbling")
SAYS = {
    "truncated": "sent a damaged or cut-off file",
    "cut_off": "sent a damaged or cut-off file",
    "corrupted": "sent a damaged or cut-off file",
    "another": "sent a damaged or cut-off file",
    "login": "sent a damaged or cut-off file",
    "empty": "sent a damaged or cut-off file",
    "unavailable": "failed (Service Unavailable)",
    "unheard": "failed (",
    "nonsense": "failed (I do not speak HTTP",
    "silent": "failed (",
    "stalled": "failed (timed out)",
    "trickling": "failed (too slow)",
    "mumbling": "failed (no answer)",
}


class Server(ThreadingHTTPServer):
    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Mirror)
        self.files, self.requests = files, []
        self.over, self.halfway = threading.Event(), threading.Event()

    def mirror(self, fault):
        return f"http://127.0.0.1:{self.server_port}/{fault}/"

    def asked(self, fault):
        return [name for kind, name in self.requests if kind == fault]

    def handle_error(self, *args):
        pass  # the client hung up, as it should


@pytest.fixture
def server(mnist, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("LABUTILS_DATA", raising=False)
    with Server(mnist) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def mirrors(server, monkeypatch):
    """Chooses the mirrors: the names of faults, or whole addresses."""

    def choose(*faults):
        urls = [fault if "//" in fault else server.mirror(fault) for fault in faults]
        monkeypatch.setattr(mnist_files, "MIRRORS", urls)

    return choose


@pytest.fixture
def hurry(monkeypatch):
    monkeypatch.setattr(mnist_files, "TIMEOUT", 1.0)


@pytest.fixture
def empty(tmp_path):
    return tmp_path / "not" / "yet" / "there"


@pytest.fixture
def folder(mnist, tmp_path):
    """A folder that lacks one file."""
    for name, packed in mnist.items():
        (tmp_path / name).write_bytes(packed)
    (tmp_path / ONE).unlink()
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ALLOWED}


def texts(caught):
    return [str(warning.message) for warning in caught if warning.category is UserWarning]


# A mirror fails


def test_a_download_fills_a_folder_that_does_not_exist(mirrors, server, mnist, empty):
    mirrors("good")
    assert load(empty, source="mnist", validation=10).source == "mnist"
    assert contents(empty) == mnist
    assert load(empty, source="mnist", validation=10).source == "mnist"
    assert server.asked("good") == list(mnist)  # each once, and not again


@pytest.mark.parametrize("place", ["root", "variable", "cache"])
def test_a_download_lands_in_the_first_folder(place, mirrors, mnist, tmp_path, monkeypatch):
    mirrors("good")
    if place != "cache":
        monkeypatch.setenv("LABUTILS_DATA", str(tmp_path / "variable"))
    load(tmp_path / "root" if place == "root" else None, validation=10)
    assert {path.name: contents(path) for path in tmp_path.iterdir()} == {place: mnist}


@pytest.mark.parametrize("fault", SAYS)
def test_the_next_mirror_makes_up_for_it(fault, mirrors, server, mnist, folder, hurry):
    mirrors(fault, "good")
    assert load(folder, source="mnist", validation=10).source == "mnist"
    assert server.requests == [(fault, ONE), ("good", ONE)]
    assert contents(folder) == mnist


@pytest.mark.parametrize("fault", SAYS)
def test_without_another_mirror_one_sentence_says_why(fault, mirrors, server, folder, hurry):
    before = contents(folder)
    mirrors(fault)
    with pytest.raises(DataError) as caught:
        load(folder, source="mnist", validation=10)
    message = str(caught.value)
    assert message.startswith(f"{folder / ONE} is missing and could not be downloaded: ")
    assert f"{server.mirror(fault)} {SAYS[fault]}" in message
    assert message.endswith(mnist_files.HOW_TO_GET_MNIST)
    assert "\n" not in message
    assert contents(folder) == before


def test_without_any_mirror_auto_falls_back_with_one_warning(mirrors, server, empty):
    mirrors("corrupted", "unavailable")
    with pytest.warns(UserWarning) as caught:
        assert load(empty).source == "bundled"
    (warning,) = texts(caught)
    for words in ("corrupted/ sent a damaged", "unavailable/ failed", "NOT MNIST"):
        assert words in warning
    assert contents(empty) == {}
    assert len(server.requests) == 2  # after the first file there is no point in a second


def nobody():
    """The address of a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


@pytest.mark.parametrize("address", [nobody, lambda: "http://mirror.invalid/"])
def test_no_network_is_no_obstacle(address, mirrors, empty, hurry):
    mirrors(address())
    with pytest.warns(UserWarning, match="could not be downloaded: http"):
        assert load(empty).source == "bundled"


@pytest.fixture
def untrusted(server, tmp_path):
    """The address of a server whose certificate nobody has signed but itself."""
    openssl = shutil.which("openssl") or pytest.skip("openssl makes the certificate")
    pem = tmp_path / "self-signed.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", pem, "-out", pem], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    pem.unlink()
    return server.mirror("good").replace("http:", "https:")


def test_a_certificate_that_is_not_trusted_has_its_own_advice(untrusted, mirrors, empty, hurry):
    for others in ([], ["http://mirror.invalid/"]):
        mirrors(untrusted, *others)
        with pytest.raises(DataError) as caught:
            load(empty, source="mnist")
        message = str(caught.value)
        assert "certificate verify failed" in message
        assert message.endswith(mnist_files.HOW_TO_BE_TRUSTED)
        assert "connect to the network" not in message
        time.sleep(0.05)  # more than the clock of any file system is coarse by


def test_the_download_shows_signs_of_life(mirrors, mnist, empty, monkeypatch):
    signs = []

    @contextmanager
    def lock(path):
        yield lambda: signs.append(path)

    monkeypatch.setattr(mnist_files, "locked", lock)
    mirrors("good")
    load(empty, source="mnist", validation=10)
    assert len(signs) >= 2 * len(mnist)  # for each file when asked, and at every chunk
    assert set(signs) == {empty / "download.lock"}


def test_when_the_network_is_back_the_download_is_tried_again(mirrors, mnist, empty):
    mirrors("unavailable")
    with pytest.raises(DataError):
        load(empty, source="mnist")
    time.sleep(0.05)  # more than the clock of any file system is coarse by
    mirrors("good")
    assert load(empty, source="mnist", validation=10).source == "mnist"
    assert os.listdir(empty).count("download.failed") == 0


def test_a_failure_that_a_wrong_clock_dated_in_the_future_is_not_believed(mirrors, mnist, empty):
    mirrors("unavailable")
    with pytest.raises(DataError):
        load(empty, source="mnist")
    tomorrow = time.time() + 86_400
    os.utime(empty / "download.failed", (tomorrow, tomorrow))
    mirrors("good")
    assert load(empty, source="mnist", validation=10).source == "mnist"


# A folder fails


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_file_is_replaced_by_a_good_one(damage, mirrors, server, mnist, folder):
    mirrors("good")
    (folder / ONE).write_bytes(mnist[ONE][:-1] if damage is None else damage)
    with pytest.warns(UserWarning) as caught:
        assert load(folder, source="mnist", validation=10).source == "mnist"
    assert texts(caught) == [f"{folder / ONE} was damaged: a whole copy has taken its place."]
    assert server.requests == [("good", ONE)]
    assert contents(folder) == mnist


def test_a_damaged_file_is_named_and_kept_where_there_is_no_network(mirrors, folder):
    mirrors("unavailable")
    (folder / ONE).write_bytes(b"half")
    with pytest.raises(DataError, match=f"{ONE} is damaged and could not be downloaded"):
        load(folder, source="mnist")
    assert (folder / ONE).read_bytes() == b"half"


@pytest.mark.parametrize("below", [".", "below"])
def test_a_folder_that_cannot_be_made_is_named(below, mirrors, server, tmp_path):
    mirrors("good")
    (tmp_path / "file").write_text("not a folder")
    folder = tmp_path / "file" / below
    with pytest.raises(DataError, match=r"MNIST cannot be kept in .*file"):
        load(folder, source="mnist")
    with pytest.warns(UserWarning, match=r"MNIST cannot be kept in .*file"):
        assert load(folder).source == "bundled"
    assert server.requests == []


@pytest.mark.skipif(os.name == "nt", reason="Windows folders have no such permission")
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(mirrors, folder):
    mirrors("good")
    folder.chmod(0o500)
    with pytest.raises(DataError, match=r"MNIST cannot be kept in .*\(Permission denied\)"):
        load(folder, source="mnist")
    folder.chmod(0o700)


def test_a_folder_in_the_place_of_a_file_is_named(mirrors, folder):
    mirrors("good")
    (folder / ONE).mkdir()
    with pytest.raises(DataError, match="MNIST cannot be kept in"):
        load(folder, source="mnist")
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


# A folder holds another data set


def idx(*shape):
    """A whole idx file, all zeros."""
    return struct.pack(f">{1 + len(shape)}i", 0x800 + len(shape), *shape) + bytes(math.prod(shape))


OTHERS = {
    "packed": gzip.compress(idx(7, 28, 28)),
    "unpacked": idx(7),
    "no idx file": gzip.compress(b"notes of mine"),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("rest", ["alone", "beside MNIST"])
def test_another_data_set_is_left_as_it_is(other, rest, mirrors, mnist, folder, tmp_path):
    mirrors("good")
    if rest == "alone":
        for path in folder.iterdir():
            path.unlink()
    (folder / ONE).write_bytes(OTHERS[other])
    before = contents(folder)
    with pytest.warns(UserWarning) as caught:
        assert load(folder, source="mnist", validation=10).source == "mnist"
    (warning,) = (each for each in caught if each.category is UserWarning)  # not tqdm's
    assert str(warning.message) == (
        f"{folder / ONE} is not MNIST's, or cannot be read, and is left as it is. "
        f"MNIST is kept in {tmp_path / 'cache'}."
    )
    assert warning.filename == __file__
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert set(os.listdir(folder)) == {"cache", *before}
    assert contents(tmp_path / "cache") == mnist


def test_where_there_is_no_other_folder_one_sentence_says_so(mirrors, server, tmp_path):
    mirrors("good")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / ONE).write_bytes(OTHERS["packed"])
    with pytest.raises(DataError) as caught:
        load(source="mnist")
    message = str(caught.value)
    assert message.startswith(f"{cache / ONE} is not MNIST's, or")
    assert message.endswith(mnist_files.HOW_TO_KEEP_MNIST)
    assert contents(cache) == {ONE: OTHERS["packed"]}
    assert server.requests == []


@pytest.mark.parametrize("name", [ONE.removesuffix(".gz"), ONE.replace("-idx", ".idx")])
def test_mnist_is_not_mixed_with_another_data_set(name, mirrors, folder, tmp_path):
    mirrors("good")
    (folder / name).write_bytes(idx(7))
    with pytest.warns(UserWarning, match=f"{name} is not MNIST's"):
        load(folder, source="mnist", validation=10)
    assert not (folder / ONE).exists()
    assert (tmp_path / "cache" / ONE).exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows files have no such permission")
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may read anything")
def test_a_file_that_cannot_be_read_is_left_as_it_is(mirrors, folder):
    mirrors("good")
    (folder / ONE).write_bytes(b"private")
    (folder / ONE).chmod(0)
    with pytest.warns(UserWarning, match="or cannot be read, and is left as it is"):
        load(folder, source="mnist", validation=10)
    (folder / ONE).chmod(0o600)
    assert (folder / ONE).read_bytes() == b"private"


@pytest.mark.parametrize(
    "damaged", [idx(7)[:-1], idx(7) + b"x", gzip.compress(idx(7))[:-1], b"\0\0", b"<html>"]
)
def test_what_is_no_whole_file_is_no_data_set(damaged, mirrors, mnist, folder):
    mirrors("good")
    (folder / ONE).write_bytes(damaged)
    with pytest.warns(UserWarning, match="was damaged: a whole copy"):
        assert load(folder, source="mnist", validation=10).source == "mnist"
    assert contents(folder) == mnist


@pytest.mark.parametrize("before", [None, b"half"])
def test_files_that_arrive_between_two_looks_are_mnists(before, mnist, tmp_path, monkeypatch):
    if before:
        (tmp_path / ONE).write_bytes(before)
    look = mnist_files._find

    def find(folder):  # and then another process, which holds the lock, is done
        found = look(folder)
        for name, packed in mnist.items():
            with atomic_write(tmp_path / name) as file:
                file.write(packed)
        return found

    monkeypatch.setattr(mnist_files, "_find", find)
    assert load(tmp_path, source="mnist", validation=10).source == "mnist"


def test_reading_takes_no_lock_and_writes_nothing(mnist, tmp_path, monkeypatch):
    for name, packed in mnist.items():
        (tmp_path / name).write_bytes(packed)
    monkeypatch.setattr(mnist_files, "locked", lambda path: pytest.fail("reading takes a lock"))
    assert load(tmp_path, source="mnist", validation=10).source == "mnist"
    assert {path.name for path in tmp_path.iterdir()} == set(mnist)


# Elsewhere: in processes that are interrupted, killed, out of space, or many


def load_elsewhere(folder, sums, mirrors, source="auto", timeout=PATIENCE, room=None):
    """In another process: what load() uses and warns of, or the DataError that it raises."""
    mnist_files.CHECKSUMS, mnist_files.MIRRORS, mnist_files.TIMEOUT = sums, mirrors, timeout
    runtime.WORD_AFTER = PATIENCE  # a slow machine shall not add a warning
    data.cache_folder = lambda: folder
    if room:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = load(folder, source=source, validation=10).source
        except DataError as error:
            outcome = str(error)
    return outcome, texts(caught)


@pytest.fixture
def there(server, empty):
    """load_elsewhere, but for its mirrors."""
    return lambda *faults, **more: partial(
        load_elsewhere,
        empty,
        mnist_files.CHECKSUMS,
        [server.mirror(fault) for fault in faults],
        **more,
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot limit the size of files")
def test_a_full_disk_is_named(elsewhere, there, empty):
    outcome, caught = elsewhere(there("good", source="mnist", room=1000))
    assert (
        outcome
        == f"MNIST cannot be kept in {empty} (File too large). {mnist_files.HOW_TO_KEEP_MNIST}"
    )
    assert caught == []
    outcome, caught = elsewhere(there("good"))
    assert (outcome, len(caught)) == ("bundled", 1)
    assert contents(empty) == {}


def report(function, connection):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever our parents ignore
    connection.send(function())


@pytest.fixture
def start(processes):
    """Starts a function in another process: that process, and the end of its pipe."""
    started = []

    def start(function):
        ours, theirs = processes.Pipe()
        process = processes.Process(target=report, args=(function, theirs))
        process.start()
        theirs.close()
        started.append(process)
        return process, ours

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
def test_an_interrupt_half_way_ends_the_download_alone(start, there, server, empty):
    process, pipe = start(there("stalled"))
    assert server.halfway.wait(PATIENCE)
    os.kill(process.pid, signal.SIGINT)
    assert pipe.poll(PATIENCE / 2)  # long before the server lets go
    outcome, (warning,) = pipe.recv()
    assert outcome == "bundled"
    assert "NOT MNIST. The download of MNIST was interrupted." in warning
    assert contents(empty) == {}


def test_after_a_kill_half_way_the_next_process_succeeds(
    start, there, server, mirrors, mnist, empty
):
    process, _ = start(there("stalled"))
    assert server.halfway.wait(PATIENCE)
    process.kill()
    process.join()
    assert contents(empty) == {}
    mirrors("good")
    assert load(empty, source="mnist", validation=10).source == "mnist"
    assert contents(empty) == mnist


def die_while_writing(path):
    with atomic_write(path) as file:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def test_a_kill_while_writing_leaves_no_half_file(start, mirrors, mnist, folder):
    process, _ = start(partial(die_while_writing, folder / ONE))
    process.join(PATIENCE)
    assert process.exitcode not in (None, 0)
    assert not (folder / ONE).exists()
    mirrors("good")
    assert load(folder, source="mnist", validation=10).source == "mnist"


def meet(barrier):
    global everybody
    everybody = barrier


def all_at_once(function):
    everybody.wait(60)
    return function()


@pytest.fixture(scope="module")
def eight(processes):
    """Calls a function in eight processes at the same moment."""
    barrier = processes.Barrier(8)
    with ProcessPoolExecutor(8, processes, initializer=meet, initargs=(barrier,)) as pool:
        yield lambda function: list(pool.map(all_at_once, [function] * 8))


def test_eight_processes_on_an_empty_cache_fetch_each_file_once(eight, there, server, mnist, empty):
    assert eight(there("good")) == [("mnist", [])] * 8
    assert server.asked("good") == list(mnist)
    assert contents(empty) == mnist


def test_eight_processes_wait_for_a_hanging_network_once(eight, there, server, empty):
    outcomes = {
        outcome for outcome, _ in eight(there("silent", "stalled", source="mnist", timeout=1.0))
    }
    assert len(outcomes) == 1  # all know the reason
    assert "silent/ failed" in outcomes.pop()
    assert [fault for fault, _ in server.requests] == ["silent", "stalled"]
    assert contents(empty) == {}
