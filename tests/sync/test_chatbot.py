import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import ServerFailed, StreamInterrupted
from anaphora.providers.scripted import Cut, Delay
from anaphora.values.events import Finished, Planned, TextDelta


def test_the_three_lines_of_the_readme():
    bot = Chatbot(ScriptedProvider("Paris.", "About two million."), system="You are a friendly tutor.")
    assert bot.say("What's the capital of France?").text == "Paris."
    assert "".join(bot.stream("What's its population?")) == "About two million."
    assert [entry.role for entry in bot.history()] == ["user", "assistant"] * 2
    assert bot.usage().output_tokens > 0
    assert bot.context().report.window_messages == 4


def test_a_stream_has_events_text_and_an_answer():
    bot = Chatbot(ScriptedProvider("a b", "c d", "e f"))
    kinds = [type(event) for event in bot.stream("1").events]
    assert kinds[0] is Planned
    assert kinds[-1] is Finished
    assert TextDelta in kinds
    assert "".join(bot.stream("2").text) == "c d"
    reply = bot.stream("3")
    next(iter(reply))
    assert reply.answer().text == "e f"


def test_leaving_a_stream_early_keeps_what_came_without_with():
    bot = Chatbot(ScriptedProvider([TextDelta("Once"), Delay(30)], "more"))
    for _ in bot.stream("Tell me a story"):
        break
    assert [(entry.text, entry.status) for entry in bot.history()] == [("Tell me a story", "complete"), ("Once", "stopped")]
    assert bot.say("go on").text == "more"


def test_errors_come_out_where_the_caller_is():
    bot = Chatbot(ScriptedProvider(ServerFailed("x", retryable=False), [TextDelta("a"), Cut()], "ok"))
    with pytest.raises(ServerFailed):
        bot.say("1")
    with pytest.raises(StreamInterrupted):
        list(bot.stream("2"))
    assert bot.retry().text == "ok"


def test_the_other_verbs():
    with Chatbot(ScriptedProvider("a", "b", "c", "d")) as bot:
        bot.prepare()
        bot.use(system="Be brief.")
        assert bot.system() == "Be brief."
        bot.say("1")
        assert "".join(bot.retry_stream()) == "b"
        assert bot.undo() is not None
        trip = bot.conversation("trip")
        assert trip.id == "trip"
        assert trip.say("2").text == "c"
        assert {info.id for info in bot.conversations()} >= {"trip"}
        assert bot.info().messages == 3
        assert bot.model == "scripted"


def test_it_works_inside_a_running_event_loop():
    async def notebook() -> str:
        return Chatbot(ScriptedProvider("Paris.")).say("Capital?").text

    assert asyncio.run(notebook()) == "Paris."


def test_one_bot_serves_many_threads():
    bot = Chatbot(ScriptedProvider(echo=True))

    def talk(name: str) -> list[str]:
        conversation = bot.conversation(name)
        for number in range(5):
            assert "".join(conversation.stream(f"{name}{number}")) == f"You said: {name}{number}"
        return [entry.text for entry in conversation.history() if entry.role == "user"]

    names = [f"c{number}-" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        for name, texts in zip(names, pool.map(talk, names), strict=True):
            assert texts == [f"{name}{number}" for number in range(5)]


def test_a_reply_can_be_closed_from_another_thread():
    bot = Chatbot(ScriptedProvider([TextDelta("Once"), Delay(30)]))
    reply = bot.stream("story")
    threading.Timer(0.1, reply.close).start()
    assert reply.answer().status == "stopped"


def test_a_conversation_is_saved_and_loaded(tmp_path):
    bot = Chatbot(ScriptedProvider("Paris.", "Two million."))
    bot.say("Capital?")
    bot.save(tmp_path / "chat.json")
    other = Chatbot(ScriptedProvider("Two million."))
    assert other.load(tmp_path / "chat.json") == 2
    assert other.say("Its population?").text == "Two million."
    assert [entry.text for entry in other.history()] == ["Capital?", "Paris.", "Its population?", "Two million."]


def run(code: str, *, interrupt: bool = False) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = ""
    if interrupt:
        first = process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess([], process.returncode, first + out, err)


def test_ctrl_c_while_an_answer_comes_keeps_what_came():
    done = run(
        """
        from anaphora import Chatbot, ScriptedProvider
        from anaphora.values.events import TextDelta
        from anaphora.providers.scripted import Delay
        bot = Chatbot(ScriptedProvider([TextDelta("Once"), Delay(30)]))
        try:
            for text in bot.stream("story"):
                print(text, flush=True)
        except KeyboardInterrupt:
            print([(entry.text, entry.status) for entry in bot.history()])
        """,
        interrupt=True,
    )
    assert done.stdout == "Once\n[('story', 'complete'), ('Once', 'stopped')]\n", done.stderr


def test_a_program_that_ends_in_the_middle_of_an_answer_ends():
    done = run(
        """
        from anaphora import Chatbot, ScriptedProvider
        from anaphora.values.events import TextDelta
        from anaphora.providers.scripted import Delay
        reply = Chatbot(ScriptedProvider([TextDelta("Once"), Delay(30)])).stream("story")
        print(next(iter(reply)), flush=True)
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Once\n", "", 0)


def test_a_forked_child_ends_like_any_program():
    done = run(
        """
        import os
        import sys
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from anaphora import Chatbot, ScriptedProvider
        Chatbot(ScriptedProvider("a")).say("hi")
        if (child := os.fork()) == 0:
            Chatbot(ScriptedProvider("b")).say("hi")
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert done.stdout == "7\n", done.stderr


def test_words_that_come_just_before_the_end_are_not_lost():
    reply = Chatbot(ScriptedProvider("all of it")).stream("hi")
    log, look = reply._inner.turn.events, reply._reader._look

    def look_then_let_the_turn_end() -> bool:
        found = look()
        while not log.closed:
            time.sleep(0.001)
        return found

    reply._reader._look = look_then_let_the_turn_end  # type: ignore[method-assign]
    assert "".join(reply) == "all of it"


def test_a_forked_child_has_a_door_of_its_own():
    done = run(
        """
        import os
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from anaphora import Chatbot, ScriptedProvider
        Chatbot(ScriptedProvider("a")).say("hi")
        if (child := os.fork()) == 0:
            print(Chatbot(ScriptedProvider("from the child")).say("hi").text, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("done", flush=True)
        """
    )
    assert done.stdout == "from the child\ndone\n", done.stderr


def test_every_verb_works_without_await(tmp_path: Path):
    with Chatbot(ScriptedProvider(echo=True), store=tmp_path / "x.db", owner="ana") as bot:
        talk = bot.new_conversation()
        assert talk.owner == "ana"
        talk.append("assistant", "Welcome!")
        talk.say("about tomatoes")
        assert len(talk.search("tomatoes")) == 2
        assert talk.usage().total_tokens > 0
        assert talk.spent()
        assert [fact.text for fact in bot.facts] == []
        fork = talk.fork(name="fork")
        assert fork != talk
        assert len({fork, talk, bot.conversation("fork")}) == 2
        assert "fork" in repr(fork)
        assert talk.context_for("and now?").report.window_messages == 4
        assert talk.summarise() == ()
        talk.use(system="Be brief.")
        assert talk.system() == "Be brief."
        assert list(bot.stream("[1, 2]").values)[-1] == [1, 2]
        assert bot.count_tokens("two words") > 0
        assert bot.spent()
        assert bot.fork(name="other").id == "other"
        assert "ana" in repr(bot.conversation())
        assert bot.export_to(tmp_path / "all.json") == 4
        talk.stop()
        talk.clear()
        assert talk.history() == ()
