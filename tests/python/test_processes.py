"""Reader processes and threads beside a writer that takes checkpoints and compacts."""

import multiprocessing
import threading
import traceback

import numpy as np
import pytest

import arraylog

METHODS = [
    each
    for each in ("fork", "forkserver", "spawn")
    if each in multiprocessing.get_all_start_methods()
]
HOT, RING, BATCHES, READERS = 5, 20, 1500, 3


def values(number, key):
    """What a batch gives a key."""
    return np.full(10 + (number + key) % 50, number, "i8")


def commit(store, number):
    """Batch `number`, one commit: overwrites the hot keys and moves the ring on by one."""
    with store.batch() as batch:
        hot, ring = batch.partition("c", "hot"), batch.partition("c", "ring")
        for key in range(HOT):
            hot.write(str(key), {"t": values(number, key)}, attrs={"n": number})
        if number > RING:
            ring.remove(str(number - RING))
        ring.put(str(number), str(number).encode())


def look(store):
    """Compares all of a moment with the number of its newest batch, which it gives."""
    with store.snapshot() as moment:
        number, hot, ring = moment.seqno, moment["c"]["hot"], moment["c"]["ring"]
        for key in range(HOT):
            entry = hot[str(key)]
            assert entry.attrs["n"] == number
            np.testing.assert_array_equal(entry["t"].numpy(), values(number, key))
        expected = [str(each) for each in range(max(1, number - RING + 1), number + 1)]
        assert list(ring) == expected and len(ring) == len(expected)
        assert [bytes(entry.value).decode() for entry in ring.values()] == expected
    return number


def follow(store, is_over):
    """Looks until it is over; the newest number, how many looks, and that views stayed."""
    views = [(look(store), [store["c"]["hot"].array(str(key), "t") for key in range(HOT)])]
    kept = [view.copy() for view in views[0][1]]
    newest = looks = 0
    over = False
    while not over:
        over = is_over()
        store.refresh()
        number = look(store)
        assert number >= newest, "went back"
        newest, looks = number, looks + 1
    for view, copy in zip(views[0][1], kept, strict=True):
        np.testing.assert_array_equal(view, copy)
    return newest, looks


def read_in_process(source, pipe):
    """A reader process: opens `source`, or goes on with the handle that it was given."""
    try:
        store = arraylog.open(source) if isinstance(source, str) else source
        pipe.send("reads")
        pipe.send(follow(store, pipe.poll))
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


def write(path):
    """Commits the batches, with checkpoints and compactions; how many there were."""
    with arraylog.open(path, "r+") as store:
        for number in range(2, BATCHES + 1):
            commit(store, number)
            if number % 100 == 0:
                store.checkpoint()
            if number % 300 == 0:
                store.compact()
    return BATCHES


@pytest.fixture
def begun(path):
    """A store with its first batch."""
    with arraylog.open(path, "a") as store:
        commit(store, 1)
    return path


@pytest.mark.parametrize("handle", ["path", "pickled handle"])
@pytest.mark.parametrize("method", METHODS)
def test_reader_processes_follow_a_writer_and_their_views_stay(begun, method, handle):
    context = multiprocessing.get_context(method)
    readers = []
    with arraylog.open(begun) as reader:
        for _ in range(READERS):
            ours, theirs = context.Pipe()
            source = str(begun) if handle == "path" else reader
            process = context.Process(target=read_in_process, args=(source, theirs), daemon=True)
            process.start()
            theirs.close()
            readers.append((process, ours))
        for _, pipe in readers:
            assert pipe.poll(60) and pipe.recv() == "reads"
        written = write(begun)
        for process, pipe in readers:
            pipe.send("over")
            assert pipe.poll(60), "a reader does not answer"
            answer = pipe.recv()
            assert isinstance(answer, tuple), answer
            newest, looks = answer
            assert newest == written and looks > 1
            process.join(60)
            assert process.exitcode == 0


def test_reader_threads_follow_a_writer_and_their_views_stay(begun):
    over, answers = threading.Event(), []

    def read():
        try:
            with arraylog.open(begun) as store:
                answers.append(follow(store, over.is_set))
        except BaseException:
            answers.append(traceback.format_exc())

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    written = write(begun)
    over.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a reader does not end"
    for answer in answers:
        assert isinstance(answer, tuple), answer
        assert answer[0] == written and answer[1] > 1
    assert len(answers) == READERS
