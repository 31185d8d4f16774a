"""Full-text search: it finds what a scan finds, and what of it may never be found."""

import asyncio
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlmodel import col, delete

from chat_app.auth.principal import Principal
from chat_app.core.crypto import KeyRing, new_token
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.events import ReasoningDelta
from chat_app.core.parts import text_part
from chat_app.core.search_tokens import Token
from chat_app.db.engine import Database
from chat_app.db.tables import PRIVATE, Membership, Message, Organisation, Thread, User
from chat_app.settings import read_settings
from chat_app.threads import search as search_module
from chat_app.threads import snippets
from chat_app.threads.search import Search
from chat_app.threads.search_query import MAX_WORDS, parse_query
from chat_app.threads.snippets import snippet
from testing.database import DatabaseUnderTest, SqliteDatabase, only_sqlite
from testing.run_services import RunHarness

KEYS = KeyRing(read_settings(_env_file=None, auth_secret=new_token()))
both = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)

WORDS = {
    "Latin": ["ab", "ABC", "naïve", "straße", "a1", "x"],
    "Cyrillic": ["дом", "ДОМА", "ёж", "я"],
    "Devanagari": ["हिन्दी", "में", "की"],
    "Arabic": ["كتاب", "بيت", "نص"],
    "Chinese": ["東京", "京都", "都庁", "木"],
    "Japanese": ["ラーメン", "食べる", "べる", "の"],
    "Korean": ["서울", "서울에서", "에서", "밥"],
    "Thai": ["ภาษา", "ไทย", "ษาไ"],
}
PAIRED = {
    letter
    for script in ("Chinese", "Japanese", "Korean", "Thai")
    for word in WORDS[script]
    for letter in word
}
SEPARATORS = [" ", ", ", "\n", "-", "。", ""]


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


LETTERS = {letter for words in WORDS.values() for word in words for letter in folded(word)}
WORD = re.escape("".join(sorted(LETTERS - PAIRED)))
GAP = f"[^{re.escape(''.join(sorted(LETTERS)))}]"


def scan(text: str, phrase: str) -> bool:
    """Whether a text has a phrase: words whole, scripts without spaces anywhere."""
    pattern, last = "", ""
    for run in re.findall(f"[{WORD}]+|[{''.join(PAIRED)}]+", folded(phrase)):
        kind = "paired" if run[0] in PAIRED else "word"
        if last:
            pattern += f"{GAP}{'+' if kind == last else '*'}"
        edge = (f"(?<![{WORD}])", f"(?![{WORD}])") if kind == "word" else ("", "")
        pattern += edge[0] + re.escape(run) + edge[1]
        last = kind
    return re.search(pattern, folded(text)) is not None


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Texts of two scripts, and phrases of which each has two letters or more."""
    scripts = draw(st.lists(st.sampled_from(sorted(WORDS)), min_size=1, max_size=2))
    word = st.sampled_from([word for script in scripts for word in WORDS[script]])
    piece = st.tuples(word, st.sampled_from(SEPARATORS)).map("".join)
    texts = draw(st.lists(st.lists(piece, max_size=6).map("".join), min_size=1, max_size=6))
    phrase = st.lists(piece, min_size=1, max_size=2).map("".join)
    whole = phrase.filter(lambda text: any(len(run) > 1 for run in re.findall(r"[^\W_]+", text)))
    return texts, draw(st.lists(whole, min_size=1, max_size=2))


async def owner(db: Database) -> Principal:
    user = User(email=f"{uuid4()}@chat.example")
    async with db.system("auth", write=True) as session:
        session.add(user)
    return Principal(user.id, uuid4())


async def store(db: Database, who: Principal, texts: list[str]) -> dict[UUID, str]:
    """A thread with these messages; the text of each."""
    thread = Thread(owner_id=who.user_id, title="")
    messages = [
        Message(owner_id=who.user_id, thread_id=thread.id, role="user", parts=[text_part(text)])
        for text in texts
    ]
    async with db.write(who) as session:
        session.add(thread)
        await session.flush()
        session.add_all(messages)
    return dict(zip((message.id for message in messages), texts, strict=True))


async def found(search: Search, who: Principal, query: str, **given: Any) -> list[UUID | None]:
    """The messages of every page."""
    ids, after = list[UUID | None](), None
    while True:
        page = await search.find(who, query, after=after, **given)
        ids += [hit.message_id for hit in page.hits]
        if page.next is None:
            return ids
        after = page.next


@both
def test_a_search_finds_what_a_scan_finds_in_every_script(database: DatabaseUnderTest) -> None:
    db = database.open(Database)
    search = Search(db, KEYS)

    async def compare(texts: list[str], phrases: list[str]) -> None:
        who, other = await owner(db), await owner(db)
        mine = await store(db, who, texts)
        await store(db, other, texts)
        query = " ".join(f'"{phrase}"' for phrase in phrases)
        wanted = {
            id_ for id_, text in mine.items() if all(scan(text, phrase) for phrase in phrases)
        }
        ids = await found(search, who, query)
        assert len(ids) == len(set(ids))
        assert set(ids) == wanted, (query, texts)
        for hit in (await search.find(who, query)).hits:
            marked = [part.text for part in hit.snippet if part.is_hit]
            assert marked
            assert "".join(part.text for part in hit.snippet).strip("…")

    with asyncio.Runner() as runner:

        @settings(
            suppress_health_check=[HealthCheck.too_slow],
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        )
        @given(corpora())
        def check(corpus: tuple[list[str], list[str]]) -> None:
            runner.run(compare(*corpus))

        check()
        runner.run(db.close())


@pytest.fixture
def search(harness: RunHarness) -> Search:
    return Search(harness.db, KEYS)


@pytest.mark.parametrize(
    "query",
    [
        "NEAR(a b)",
        "rain*",
        "^rain",
        "-rain",
        "rain OR snow",
        "rain NOT snow",
        "terms:rain",
        "{ab cd}:ef",
    ],
)
async def test_no_operator_of_a_database_is_one_of_a_search(
    harness: RunHarness, alice: Principal, search: Search, query: str
) -> None:
    texts = [query, "rain", "snow", "a b", "rainy"]
    stored = await store(harness.db, alice, texts)
    words = re.findall(r"[a-z]+", query.lower())
    wanted = {
        id_
        for id_, text in stored.items()
        if all(word in re.findall(r"[a-z]+", text.lower()) for word in words)
    }
    assert set(await found(search, alice, query)) == wanted


@both
async def test_a_conversation_is_found_from_its_first_word_to_its_end(
    harness: RunHarness, alice: Principal, bob: Principal, search: Search
) -> None:
    sent = await harness.runs.send(alice, text="How do tomatoes grow?", client_id="c1")
    hits = (await search.find(alice, "tomatoes")).hits
    assert {hit.message_id for hit in hits} == {None, sent.user_message_id}
    answer = await harness.models.one.answer(1)
    answer.send(ReasoningDelta("Photosynthesis.")).say("In the *sun*.")
    assert await found(search, alice, "sun") == []
    answer.finish()
    await harness.read(alice, sent.run_id)
    assert await found(search, alice, "sun") == [sent.message_id]
    assert await found(search, alice, "photosynthesis") == []
    assert await found(search, bob, "tomatoes") == []


async def test_an_answer_that_was_regenerated_is_found_in_both_branches(
    harness: RunHarness, alice: Principal, search: Search
) -> None:
    first, second = await regenerated(harness, alice)
    assert set(await found(search, alice, "answer")) == {first, second}


async def regenerated(harness: RunHarness, who: Principal) -> tuple[UUID, UUID]:
    """A question with two answers; the second is the chosen one."""
    first = await harness.runs.send(who, text="hi", client_id="c1")
    (await harness.models.one.answer(1)).say("The first answer.").finish()
    await harness.read(who, first.run_id)
    second = await harness.runs.retry(who, first.message_id)
    (await harness.models.one.answer(2)).say("The second answer.").finish()
    await harness.read(who, second.run_id)
    return first.message_id, second.message_id


async def test_a_hit_in_another_branch_opens_there(harness: RunHarness, alice: Principal) -> None:
    first, second = await regenerated(harness, alice)
    thread = (await harness.message(alice, first)).thread_id
    watch = harness.watch(alice)
    branch = await harness.threads.show_message(alice, thread, second)
    assert branch[-1] == second
    assert watch.kinds == []  # it is the chosen branch
    branch = await harness.threads.show_message(alice, thread, first)
    window = await harness.threads.window(alice, thread)
    assert branch == [message.id for message in window.messages]
    assert branch[-1] == first
    assert watch.kinds == ["thread"]
    sent = await harness.runs.send(alice, text="more", client_id="c2", thread_id=thread)
    with pytest.raises(Conflict):  # the page would lose the running answer
        await harness.threads.show_message(alice, thread, second)
    (await harness.models.one.answer(3)).say("More.").finish()
    await harness.read(alice, sent.run_id)
    branch = await harness.threads.show_message(alice, thread, first)
    assert branch[1:] == [first, sent.user_message_id, sent.message_id]


async def test_a_message_of_another_user_chooses_no_branch(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    first, _ = await regenerated(harness, alice)
    thread = (await harness.message(alice, first)).thread_id
    mine = await harness.threads.create(bob)
    for thread_id in (thread, mine.id):
        with pytest.raises(NotFound):
            await harness.threads.show_message(bob, thread_id, first)


@both
async def test_a_title_is_found_as_it_is_now_and_a_deleted_chat_never(
    harness: RunHarness, alice: Principal, search: Search
) -> None:
    thread = await harness.threads.create(alice, title="Old rain")
    await harness.threads.rename(alice, thread.id, "New snow")
    assert await found(search, alice, "rain") == []
    assert await found(search, alice, "snow") == [None]
    assert await found(search, alice, "snow", in_titles=False) == []
    await harness.threads.delete(alice, thread.id)
    assert await found(search, alice, "snow") == []
    await harness.threads.restore(alice, thread.id)
    assert await found(search, alice, "snow") == [None]


async def test_the_title_of_a_model_replaces_the_first_words(
    harness: RunHarness, alice: Principal, search: Search
) -> None:
    sent = await harness.runs.send(alice, text="tomatoes", client_id="c1")
    assert await harness.threads.set_model_title(alice, sent.thread_id, "Garden plans")
    assert await found(search, alice, "garden") == [None]
    assert await found(search, alice, "tomatoes") == [sent.user_message_id]


@only_sqlite
async def test_a_purged_chat_and_a_deleted_account_leave_no_word_in_the_index(
    harness: RunHarness, alice: Principal, bob: Principal
) -> None:
    await store(harness.db, alice, ["secret garden"])
    await store(harness.db, bob, ["garden"])
    async with harness.db.system("sweep", write=True) as session:
        await session.exec(delete(User).where(col(User.id) == alice.user_id))
    assert isinstance(harness.database, SqliteDatabase)
    with closing(sqlite3.connect(harness.database.path)) as file:
        file.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, search_index, row)")
        terms = file.execute("SELECT term FROM temp.terms").fetchall()
        assert {term for (term,) in terms} == {"garden", "_user", f"_{bob.user_id.hex}"}


async def test_what_has_the_words_most_often_comes_first_then_the_newest(
    harness: RunHarness, alice: Principal, search: Search
) -> None:
    stored = await store(harness.db, alice, ["rain", "rain rain", "rain", "no"])
    once, twice, newer, _ = stored
    async with harness.db.write(alice) as session:
        message = await session.get(Message, newer)
        assert message is not None
    ids = await found(search, alice, "rain", limit=1)
    assert ids[0] == twice
    assert set(ids[1:]) == {once, newer}
    page = await search.find(alice, "rain")
    assert [hit.created_at for hit in page.hits[1:]] == sorted(
        (hit.created_at for hit in page.hits[1:]), reverse=True
    )


@both
async def test_every_hit_of_a_common_word_is_on_one_page(
    harness: RunHarness, alice: Principal, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "POOL", 7)
    stored = await store(harness.db, alice, ["rain " * (n % 4 + 1) for n in range(40)])
    ids = await found(search, alice, "rain", limit=3)
    assert len(ids) == 40
    assert set(ids) == set(stored)


@both
async def test_filters_leave_out_what_they_say(
    harness: RunHarness, alice: Principal, search: Search
) -> None:
    sent = await harness.runs.send(alice, text="rain in May", client_id="c1")
    (await harness.models.one.answer(1)).say("Much rain.").finish()
    await harness.read(alice, sent.run_id)
    question, answer = sent.user_message_id, sent.message_id
    other = await harness.runs.send(alice, text="only rain", client_id="c2")
    for query, wanted in {
        "rain role:assistant": {answer},
        "rain role:user": {question, other.user_message_id},
        "rain title:may": {None, question, answer},
        'rain title:"in may" role:user': {question},
        "title:may": {None},
        "rain before:2026-01-02": {None, question, answer, other.user_message_id},
        "rain before:2026": set(),
        "rain after:2026-01-02": set(),
        "Rain after:2025-12 role:ASSISTANT": {answer},
        "rain title:": {None, question, answer, other.user_message_id},
    }.items():
        assert set(await found(search, alice, query)) == wanted, query


@pytest.mark.parametrize("query", ["", "r", "r a", "木", '"', "title:r", "role:user", "%", "\0"])
async def test_letters_alone_are_not_looked_for_in_messages(
    harness: RunHarness, alice: Principal, search: Search, query: str
) -> None:
    await store(harness.db, alice, ["r a 木 %"])
    assert await found(search, alice, query) == []


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("role:nobody", {}),
        ("before:lunch", {}),
        ("after:2026-13", {}),
        ("before:9999999", {}),
        ("rain", {"limit": 0}),
        ("rain", {"limit": 51}),
        (" ".join(map(str, range(MAX_WORDS + 1))), {}),
        ("rain", {"after": "x"}),
        ("rain", {"after": "MS4y"}),
        ("rain", {"after": "9" * 200}),
    ],
)
async def test_what_cannot_be_searched_is_refused(
    alice: Principal, search: Search, query: str, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        await search.find(alice, query, **given)


def test_the_days_of_a_filter_begin_in_the_zone_of_the_user() -> None:
    query = parse_query("before:2026-11-28 after:2026", ZoneInfo("Asia/Tokyo"))
    assert query.before == datetime(2026, 11, 27, 15, tzinfo=UTC)
    assert query.after == datetime(2025, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "query", "wanted"),
    [
        ("Grow **tomatoes** in\n\nthe sun", "tomatoes", "Grow [tomatoes] in the sun"),
        ("### Rain\n- and `rain`", "rain", "[Rain] and [rain]"),
        ("a 東京都庁 b", "京都", "a 東[京都]庁 b"),
        ("| Tide | When |\n|---|:--:|\n| Neap | a --- b |", "tide", "[Tide] When Neap a --- b"),
        ("cold\nrain, warm rain", '"cold rain"', "[cold rain], warm rain"),
        ("<script>rain</script>", "rain", "<script>[rain]</script>"),
        ("no", "rain", "no"),
    ],
)
def test_a_snippet_marks_what_was_found(text: str, query: str, wanted: str) -> None:
    parts = snippet(text, parse_query(query).phrases)
    assert "".join(f"[{p.text}]" if p.is_hit else p.text for p in parts).strip() == wanted


def test_a_snippet_of_a_long_text_is_around_the_first_hit() -> None:
    text = f"{'word ' * 500}needle {'word ' * 500}"
    parts = snippet(text, parse_query("needle").phrases)
    shown = "".join(part.text for part in parts)
    assert [part.text for part in parts if part.is_hit] == ["needle"]
    assert shown.startswith("…word")
    assert shown.endswith("…")
    assert len(shown) < 200


def test_a_snippet_reads_no_further_than_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens_of, read = snippets.tokens_of, list[str]()

    def counted(text: str) -> Iterator[Token]:
        for token in tokens_of(text):
            read.append(token.text)
            yield token

    monkeypatch.setattr(snippets, "tokens_of", counted)
    words = parse_query("needle " + " ".join("abcdefghijklmnopqrst")).phrases
    for text in (f"needle {'a b ' * 10_000}", "東" * 10_000):
        parts = snippet(text, words if text[0] == "n" else parse_query("東東").phrases)
        assert any(part.is_hit for part in parts)
        assert sum(len(part.text) for part in parts) < 400
    assert len(read) < 1_000


async def test_words_are_counted_in_the_beginning_of_a_long_text(
    harness: RunHarness, alice: Principal, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_RANKED", 20)
    stored = await store(harness.db, alice, ["rain, rain", f"rain {'x' * 20} {'rain ' * 5}"])
    assert await found(search, alice, "rain") == list(stored)


@both
async def test_a_search_in_an_organisation_finds_what_is_in_it_alone(
    harness: RunHarness, alice: Principal, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "POOL", 3)
    org = Organisation(name="Acme")
    async with harness.db.system("organisations", write=True) as session:
        session.add(org)
        await session.flush()
        session.add(Membership(user_id=alice.user_id, org_id=org.id, role="member"))
    member = replace(alice, memberships={org.id: "member"})
    work = await store(harness.db, member, [f"rain at work {n}" for n in range(5)])
    (thread,) = (await harness.threads.page(member)).threads
    await harness.threads.move(member, thread.id, org.id)
    mine = await store(harness.db, member, [f"rain at home {n}" for n in range(7)])
    assert set(await found(search, member, "rain", org_id=org.id)) == set(work)
    assert set(await found(search, member, "rain", org_id=PRIVATE, limit=2)) == set(mine)
    assert set(await found(search, member, '"at work"', org_id=PRIVATE)) == set()
    assert set(await found(search, member, "rain")) == {*work, *mine}
    # of an organisation that the user does not belong to there is nothing
    assert await found(search, alice, "rain", org_id=org.id) == []


@both
async def test_what_the_newest_matches_lack_is_found_among_the_older_ones(
    harness: RunHarness, alice: Principal, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "POOL", 3)
    older = await store(harness.db, alice, [f"cold rain {n}" for n in range(5)])
    await store(harness.db, alice, [f"rain, cold {n}" for n in range(90)])
    thread = await harness.threads.create(alice, title="cold rain")
    await harness.threads.delete(alice, thread.id)
    assert set(await found(search, alice, '"cold rain"')) == set(older)
    assert len(await found(search, alice, "cold rain", limit=3)) == 95
