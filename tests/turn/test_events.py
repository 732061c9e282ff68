from threading import Thread

import pytest

from anaphora import StoreError
from anaphora.turn.events import END, EventLog, EventReader
from anaphora.values.answer import Answer
from anaphora.values.events import Event, Finished, TextDelta, Warned
from anaphora.values.message import text_message


def nothing() -> None:
    """Wakes nobody."""


def rest(reader: EventReader) -> list[Event]:
    found: list[Event] = []
    while (event := reader.next()) is not END:
        assert event is not None
        found.append(event)
    return found


def test_every_reader_reads_everything_from_the_number_it_wants():
    log = EventLog()
    for text in "abc":
        log.put(TextDelta(text))
        log.put(Warned(text))
    log.close()
    whole = rest(EventReader(log, nothing))
    assert whole == rest(EventReader(log, nothing))
    assert rest(EventReader(log, nothing, start=4)) == whole[4:]
    assert list(log.read(2)) == whole[2:]


def test_text_that_waits_is_read_in_one_piece():
    log = EventLog()
    for text in "abc":
        log.put(TextDelta(text))
    assert EventReader(log, nothing).next() == TextDelta("abc")


def test_a_reader_that_waits_is_woken_by_the_next_event_and_by_the_end():
    log, woken = EventLog(), list[int]()
    reader = EventReader(log, lambda: woken.append(1))
    assert reader.next() is None
    log.put(TextDelta("a"))
    assert len(woken) == 1
    assert reader.next() == TextDelta("a")
    assert reader.next() is None
    log.close()
    assert len(woken) == 2
    assert reader.next() is END


def test_the_error_that_ended_a_turn_is_raised_for_every_reader_with_the_answer():
    log = EventLog()
    answer = Answer(text_message("assistant", "all of it"), "complete")
    log.put(Finished(answer))
    log.close(StoreError("disk full"))
    for _ in range(2):
        reader = EventReader(log, nothing)
        assert reader.next() == Finished(answer)
        with pytest.raises(StoreError, match="disk full") as caught:
            reader.next()
        assert caught.value.answer == answer


def test_readers_in_threads_miss_nothing():
    log = EventLog()
    found: list[str] = []

    def read() -> None:
        from queue import SimpleQueue

        ready: SimpleQueue[None] = SimpleQueue()
        reader = EventReader(log, lambda: ready.put(None))
        while (event := reader.next()) is not END:
            if event is None:
                ready.get()
            elif isinstance(event, TextDelta):
                found.append(event.text)

    readers = [Thread(target=read) for _ in range(4)]
    for one in readers:
        one.start()
    for number in range(3_000):
        log.put(TextDelta(f"{number},"))
    log.close()
    for one in readers:
        one.join(10)
    assert "".join(found).count(",") == 4 * 3_000
