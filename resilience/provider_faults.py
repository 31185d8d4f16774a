"""The provider fails in every way; the person keeps the text, reads a sentence, and tries again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from resilience.process_kills import text_of
from resilience.program import (
    TargetProgram,
    log_errors,
    running_program,
    signed_up_users,
    temporary_folder,
)
from resilience.report import Result, Scenario
from testing.fake_provider import (
    DONE,
    STREAM_HEAD,
    Answer,
    Request,
    event,
    finish,
    held_open,
    refused,
    serve,
    streamed,
    text,
)
from testing.http_user import HttpUser, ReceivedAnswer
from testing.program import free_port

BEFORE = "Half of an answer, "
FAULTS: dict[str, tuple[Answer, str]] = {
    "refuse": (refused(401, {"error": {"message": "no such key: sk-1"}}), ""),
    "429": (refused(429, {"error": {"message": "slow down"}}, retry_after="7"), ""),
    "500": (refused(500, b"<html>oops</html>"), ""),
    "silent": (held_open(), ""),
    "stall": (held_open(STREAM_HEAD, text(BEFORE)), BEFORE),
    "half": (streamed(text(BEFORE)), BEFORE),
    "malformed": (streamed(text(BEFORE), b"data: {not json\n\n"), BEFORE),
    "not a stream": (refused(200, b"<html>hello</html>", content_type="text/html"), ""),
    "error inside": (streamed(text(BEFORE), event({"error": {"code": "overloaded"}})), BEFORE),
    "empty": (streamed(finish(), DONE), ""),
}
"""What the double does, and the text that came before."""
WHOLE = "An answer from its beginning to its end."
SECRETS = ("sk-1", "slow down", "oops", "Traceback")
FAKES: tuple[str, ...] = ("fake:refuse", "fake:429", "fake:stall", "fake:drop", "fake:malformed")


class Double:
    """A provider that fails by the name of the model, until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    async def answer(self, request: Request) -> None:
        """Answer one request."""
        well = streamed(text(WHOLE), finish(), DONE)
        await (well if self.mended else FAULTS[request.body["model"]][0])(request)


async def provider(fakes: bool = True) -> Result:
    """Every fault of a real connection, of a provider that is not there, and of the fakes."""
    double = Double()
    wrong: list[str] = []
    tried = 0
    async with serve(double.answer) as real:
        given = {
            "OPENAI_BASE_URL": real.url,
            "CHAT_MODELS": ",".join(FAULTS),
            "CHAT_PROVIDERS": _nobody(free_port()),
            "CHAT_FIRST_TOKEN_SECONDS": "2",
            "CHAT_IDLE_SECONDS": "2",
            "RUNS_PER_USER": "100",
        }
        with temporary_folder() as at:
            async with (
                running_program(at, given) as program,
                signed_up_users(program.url, 1) as (person,),
            ):
                asked = {name: before for name, (_, before) in FAULTS.items()}
                asked["nobody/there"] = ""
                failed = dict(zip(asked, await _together(person, asked), strict=True))
                wrong += await _each(failed, lambda n, h: _kept(person, n, h, asked[n]))
                double.mended = True
                again = {n: h for n, h in failed.items() if n in FAULTS}
                wrong += await _each(again, lambda n, h: _retried(person, n, h))
                tried += len(failed) + len(again)
                if fakes:
                    heard = dict(zip(FAKES, await _together(person, FAKES), strict=True))
                    wrong += await _each(heard, lambda n, h: _kept(person, n, h, h.text))
                    wrong += await _each(heard, lambda n, h: _went_on(person, n, h))
                    tried += 2 * len(heard)
                wrong += _quiet(program)
    figures = f"{len(FAULTS) + 1} faults of a connection, {len(FAKES) * fakes} fakes"
    return Result("provider", tried, len(wrong), "; ".join(wrong[:3]) or figures)


def _nobody(port: int) -> str:
    return f'[{{"name":"nobody","base_url":"http://127.0.0.1:{port}/v1","models":["there"]}}]'


async def _together(person: HttpUser, models: Iterable[str]) -> list[ReceivedAnswer]:
    return await asyncio.gather(*(person.ask("go on", model=name) for name in models))


async def _each(
    heard: dict[str, ReceivedAnswer], check: Callable[[str, ReceivedAnswer], Awaitable[str]]
) -> list[str]:
    said = [(name, await check(name, one)) for name, one in heard.items()]
    return [f"{name}: {what}" for name, what in said if what]


async def _kept(person: HttpUser, name: str, heard: ReceivedAnswer, before: str) -> str:
    """What is wrong with an answer that has failed."""
    stored = await person.message(heard.thread, heard.message) if heard.message else None
    if stored is None:
        return "nothing is stored"
    if stored["status"] != "failed" or heard.end != "error":
        return f"{stored['status']}, {heard.end}"
    if text_of(stored) != before or heard.text != before:
        return "the text is not what came"
    if not _is_sentence(stored["error"]) or heard.error != stored["error"]:
        return f"no sentence: {stored['error']!r}"
    return ""


def _is_sentence(text: str) -> bool:
    return " " in text and text.endswith(".") and not any(word in text for word in SECRETS)


async def _retried(person: HttpUser, name: str, heard: ReceivedAnswer) -> str:
    """What is wrong with a second try, now that the provider is well; the first one is kept."""
    again = await person.retry(heard.thread, heard.message)
    if (again.end, again.text) != ("finish", WHOLE):
        return f"Retry: {again.status} {again.end} {again.refusal or again.error}"
    if again.message == heard.message:
        return "Retry overwrote the old answer"
    return ""


async def _went_on(person: HttpUser, name: str, heard: ReceivedAnswer) -> str:
    """What is wrong with the same thread after a failure that stays."""
    again = await person.retry(heard.thread, heard.message)
    if again.end != "error" or again.error != heard.error:
        return f"Retry: {again.status} {again.end} {again.error}"
    more = await person.ask("and now", id=heard.thread, model="fake:5x0")
    return "" if more.end == "finish" else f"afterwards: {more.status} {more.refusal or more.error}"


def _quiet(program: TargetProgram) -> list[str]:
    said = program.log.read_text()
    return [*log_errors(program), *(f"{word} in the log" for word in SECRETS if word in said)]


SCENARIOS: dict[str, Scenario] = {"provider": provider}
