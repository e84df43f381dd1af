"""ID-1 … ID-8: the same request twice is one call."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexusflow.ledger import book, idempotency
from nexusflow.ledger.book import Lease
from nexusflow.ledger.idempotency import Found, Fresh, Replay, Reused, Running, TooLarge, Unknown
from nexusflow.store import Database
from tests.support.book import ONE, WORKER, Book, call
from tests.support.stores import Store

SCOPE = idempotency.scope_of("org_a", "/v1/chat/completions")
PRINT = idempotency.fingerprint("/v1/chat/completions", b'{"model":"m"}')


def _begin(
    books: Book, request: str, *, again: bool = True, scope: str = SCOPE, print_: bytes = PRINT
) -> Fresh | Found:
    now_ms = books.database.now_ms()
    return idempotency.begin(books.database, scope, "key", print_, request, WORKER, now_ms, again=again)


@pytest.mark.parametrize(
    ("name", "valid"),
    [("a", True), ("~ !", True), ("x" * 255, True), ("", False), ("x" * 256, False), ("é", False), ("a\n", False)],
)
def test_ID1_which_names_are_taken(name: str, valid: bool) -> None:
    assert idempotency.is_name(name) is valid


def test_ID1_keys_of_others_and_of_other_routes_never_meet(books: Book) -> None:
    assert _begin(books, "r1") == Fresh()
    assert _begin(books, "r2", scope=idempotency.scope_of("org_b", "/v1/chat/completions")) == Fresh()
    assert _begin(books, "r3", scope=idempotency.scope_of("org_a", "/v1/responses")) == Fresh()
    assert _begin(books, "r4") == Running("r1")


def test_ID2_another_body_under_the_same_key_is_told(books: Book) -> None:
    _begin(books, "r1")
    other = idempotency.fingerprint("/v1/chat/completions", b'{"model":"n"}')
    assert _begin(books, "r2", print_=other) == Reused()
    idempotency.finish(books.database, SCOPE, "key", "r1", 200, "application/json", b"{}")
    assert _begin(books, "r3", print_=other) == Reused()
    assert idempotency.fingerprint("/a", b"b") != idempotency.fingerprint("/ab", b"")


class _Stop(Exception):
    pass


def test_ID3_a_record_is_made_with_the_hold_and_not_when_that_is_denied(books: Book) -> None:
    org, _ = books.organisation("acme", ONE)

    def reserve(need: int, request: str) -> object:
        def also(database: Database) -> None:
            found = idempotency.begin(database, SCOPE, "key", PRINT, request, WORKER, database.now_ms())
            if not isinstance(found, Fresh):
                raise _Stop(found)

        return book.grant(
            books.database, org=org, worker=WORKER, bounds=(), need=need, want=need, ttl_ms=1000, also=also
        )

    assert isinstance(reserve(2 * ONE, "r1"), book.Denial)
    assert books.count("idempotency") == 0
    assert isinstance(reserve(ONE // 2, "r2"), Lease)
    with pytest.raises(_Stop) as stop:
        reserve(ONE // 2, "r3")
    assert stop.value.args == (Running("r2"),)
    # The second one held nothing.
    assert books.wallet(org)[2] == ONE // 2


def test_ID3_a_call_that_was_not_made_frees_its_key(books: Book) -> None:
    _begin(books, "r1")
    idempotency.forget(books.database, SCOPE, "key", "other")
    assert _begin(books, "r2") == Running("r1")
    idempotency.forget(books.database, SCOPE, "key", "r1")
    assert _begin(books, "r2") == Fresh()
    idempotency.finish(books.database, SCOPE, "key", "r2", 200, "t", b"x")
    idempotency.forget(books.database, SCOPE, "key", "r2")
    assert isinstance(_begin(books, "r3"), Replay)


def test_ID4_of_many_at_once_one_runs(store: Store, books: Book) -> None:
    barrier = threading.Barrier(8)

    def begin(n: int) -> Fresh | Found:
        with store.open() as database:
            now_ms = database.now_ms()
            barrier.wait(30)
            with database.transaction():
                return idempotency.begin(database, SCOPE, "key", PRINT, f"r{n}", WORKER, now_ms)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(begin, range(8)))
    winner = answers.index(Fresh())
    assert answers.count(Running(f"r{winner}")) == 7
    assert books.count("idempotency") == 1


@pytest.mark.parametrize("status", [200, 503])
def test_ID5_the_stored_answer_is_given_again_errors_too(books: Book, status: int) -> None:
    _begin(books, "r1")
    body = bytes(range(256))
    assert idempotency.finish(books.database, SCOPE, "key", "r1", status, "application/json", body) == "kept"
    replay = Replay("r1", status, "application/json", body)
    assert _begin(books, "r2") == replay
    assert idempotency.find(books.database, SCOPE, "key", PRINT) == replay
    # The first answer stays.
    assert idempotency.finish(books.database, SCOPE, "key", "r1", 500, "t", b"") == "gone"
    assert idempotency.finish(books.database, SCOPE, "key", "r2", 500, "t", b"") == "gone"
    assert _begin(books, "r3") == replay


def test_ID6_an_answer_of_more_than_a_mebibyte_is_not_kept_and_the_call_not_made_again(books: Book) -> None:
    _begin(books, "r1")
    large = b"x" * (idempotency.LARGEST_BODY + 1)
    assert idempotency.finish(books.database, SCOPE, "key", "r1", 200, "t", large) == "too large"
    assert _begin(books, "r2") == TooLarge("r1")
    _begin(books, "r3", scope="other")
    assert idempotency.finish(books.database, "other", "key", "r3", 200, "t", large[1:]) == "kept"


def test_ID6_an_answer_is_kept_for_a_day(books: Book) -> None:
    _begin(books, "r1")
    idempotency.finish(books.database, SCOPE, "key", "r1", 200, "t", b"")
    [(expires_ms,)] = books.database.execute("SELECT expires_ms FROM idempotency")
    assert abs(int(expires_ms or 0) - books.database.now_ms() - 24 * 3_600_000) < 60_000
    books.database.execute("UPDATE idempotency SET expires_ms = 1")
    assert _begin(books, "r2") == Fresh()


def test_ID7_after_a_crash_chat_is_made_again_once_and_images_are_not(books: Book) -> None:
    _begin(books, "r1")
    book.mark_unknown(books.database, "other-worker")
    assert _begin(books, "r2") == Running("r1")
    book.mark_unknown(books.database, WORKER)
    assert _begin(books, "r3", again=False) == Unknown("r1")
    assert _begin(books, "r4") == Fresh("r1")
    assert _begin(books, "r5") == Running("r4")
    # The first one, should it come back, has lost the key.
    assert idempotency.finish(books.database, SCOPE, "key", "r1", 200, "t", b"old") == "gone"
    assert idempotency.finish(books.database, SCOPE, "key", "r4", 200, "t", b"new") == "kept"
    assert _begin(books, "r6") == Replay("r4", 200, "t", b"new")


def test_ID7_a_worker_that_was_given_up_and_comes_back_may_still_say_how_it_ended(books: Book) -> None:
    _begin(books, "r1")
    book.mark_unknown(books.database, WORKER)
    assert idempotency.finish(books.database, SCOPE, "key", "r1", 200, "t", b"late") == "kept"
    assert _begin(books, "r2") == Replay("r1", 200, "t", b"late")


def test_ID8_a_request_id_settles_once_with_or_without_a_key(books: Book) -> None:
    org, key = books.organisation("acme", 10 * ONE)
    for _ in range(2):
        book.post(books.database, [call("r1", org, key)])
    assert books.wallet(org)[1] == ONE
    books.check()
