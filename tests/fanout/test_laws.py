"""The engine's laws (gigactl/fanout/base.py), as properties over scripted hosts, against every engine."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigactl.errors import (
    AuthenticationFailed,
    BecomeFailed,
    ConnectionLost,
    ConnectRefused,
    ConnectTimeout,
    DeadlineExceeded,
    HostError,
    Stopped,
)
from gigactl.fanout.asyncio_engine import AsyncioEngine
from gigactl.fanout.base import Engine, Limits
from gigactl.inventory.model import Host
from gigactl.results import Status
from gigactl.transport.base import Connection, Deadline, Endpoint, Exec, Transport
from gigactl.transport.dialogue import CutShort, Dialogue, Effect, Ended, Message
from gigactl.transport.simulated import Reply, Script, SimulatedTransport
from tests.fanout.virtual import run

ENGINES: tuple[Callable[[Callable[[Host], Transport]], Engine], ...] = (AsyncioEngine,)
HOST_S = 30.0
GRACE_S = 0.5

Arrival = Message[int] | Ended


@dataclass(frozen=True)
class Count:
    """Asks for numbers from `after` on; each chunk of output is one message."""

    effect: Effect = Effect.READ
    after: int = 0

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[int]:
        async with connection.start(Exec(("count", str(self.after))), deadline) as process:
            async for _, data in process.chunks():
                for number in data.split():
                    yield int(number)
            await process.exit()


@dataclass(frozen=True)
class Follow(Count):
    """Goes on after the last number that arrived."""

    effect: Effect = Effect.RESUMABLE

    def resumed(self, last: int) -> Follow:
        return Follow(after=last)


def hosts(count: int) -> list[Host]:
    return [Host(f"h{number:05d}", f"10.0.{number >> 8}.{number & 255}") for number in range(count)]


@dataclass
class Run:
    """What one run gave."""

    transport: SimulatedTransport
    arrivals: list[Arrival] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ended(self) -> dict[str, Ended]:
        return {one.host: one for one in self.arrivals if isinstance(one, Ended)}

    @property
    def messages(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for one in self.arrivals:
            if isinstance(one, Message):
                found[one.host].append(one.value)
        return found


def go(
    make: Callable[[Callable[[Host], Transport]], Engine],
    scripts: Sequence[Script],
    dialogue: Dialogue[int],
    limits: Limits,
    consume: Callable[[Arrival], None] | None = None,
) -> Run:
    fleet = hosts(len(scripts))
    result = Run(SimulatedTransport({host.name: script for host, script in zip(fleet, scripts, strict=True)}))

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        async with make(lambda host: result.transport).run(fleet, dialogue, limits) as arrivals:
            async for arrival in arrivals:
                result.arrivals.append(arrival)
                if consume:
                    consume(arrival)
        result.seconds = clock() - began

    run(main())
    return result


def counting(upto: int, **more: object) -> Callable[[Exec], Reply]:
    """Numbers after the one asked for."""

    def answer(exec: Exec) -> Reply:
        numbers = range(int(exec.argv[1]) + 1, upto + 1)
        return Reply(b"".join(b"%d\n" % number for number in numbers), **more)  # type: ignore[arg-type]  # by name

    return answer


errors = st.sampled_from(
    [ConnectRefused("x"), ConnectTimeout("x"), AuthenticationFailed("x"), ConnectionLost("x"), BecomeFailed("x")]
)
scripts = st.builds(
    Script,
    connect_s=st.sampled_from([0.0, 0.5, 5.0, 100.0]),
    refusals=st.lists(errors, max_size=3).map(tuple),
    refuse_all=st.sampled_from([None, None, None, ConnectRefused("always")]),
    answer=st.builds(
        counting,
        st.integers(0, 3),
        after_s=st.sampled_from([0.0, 1.0, 100.0]),
        cut=st.booleans(),
        hang=st.booleans(),
    ),
)
limits = st.builds(
    Limits,
    window=st.integers(1, 5),
    attempts=st.integers(1, 4),
    host_s=st.just(HOST_S),
    total_s=st.sampled_from([None, 10.0, 60.0]),
)
dialogues = st.sampled_from([Count(Effect.READ), Count(Effect.ONCE), Count(Effect.RESUMABLE), Follow()])
several = settings(max_examples=60, deadline=None)
every_engine = pytest.mark.parametrize("make", ENGINES)


@every_engine
@several
@given(fleet=st.lists(scripts, max_size=12), dialogue=dialogues, limits=limits)
def test_one_ended_per_host_after_its_messages(
    make: Callable[[Callable[[Host], Transport]], Engine], fleet: list[Script], dialogue: Dialogue[int], limits: Limits
) -> None:
    seen: Counter[str] = Counter()

    def consume(arrival: Arrival) -> None:
        assert seen[arrival.host] == 0, "something after a host's Ended"
        seen[arrival.host] += isinstance(arrival, Ended)

    result = go(make, fleet, dialogue, limits, consume)
    assert seen == Counter(host.name for host in hosts(len(fleet)))
    assert result.transport.connected == 0
    assert result.transport.most_connected <= limits.window


@every_engine
@several
@given(fleet=st.lists(scripts, max_size=12), dialogue=dialogues, limits=limits)
def test_what_may_be_repeated(
    make: Callable[[Callable[[Host], Transport]], Engine], fleet: list[Script], dialogue: Dialogue[int], limits: Limits
) -> None:
    result = go(make, fleet, dialogue, limits)
    sent = Counter(received.host for received in result.transport.received)
    for name, ended in result.ended.items():
        said = result.messages[name]
        assert ended.attempts <= limits.attempts
        if dialogue.effect is Effect.ONCE:
            assert sent[name] <= 1
        if dialogue.effect is Effect.READ or isinstance(dialogue, Follow):
            assert said == list(range(1, len(said) + 1)), "a message came twice or was lost"
        if ended.failure is not None and not ended.failure.retryable:
            continue
        if ended.failure is not None and dialogue.effect is Effect.READ and said:
            assert ended.status is Status.UNKNOWN


@every_engine
@several
@given(fleet=st.lists(scripts, max_size=12), dialogue=dialogues, limits=limits)
def test_deadlines_and_statuses(
    make: Callable[[Callable[[Host], Transport]], Engine], fleet: list[Script], dialogue: Dialogue[int], limits: Limits
) -> None:
    result = go(make, fleet, dialogue, limits)
    if limits.total_s is not None:
        assert result.seconds <= limits.total_s + GRACE_S
    for name, ended in result.ended.items():
        assert ended.seconds <= HOST_S + GRACE_S
        assert ended.status is not Status.FAILED
        assert (ended.status is Status.OK) == (ended.failure is None)
        assert (ended.status is Status.SKIPPED) == (ended.attempts == 0)
        if result.messages[name] and ended.failure is not None:
            assert ended.status is Status.UNKNOWN
        if isinstance(ended.failure, DeadlineExceeded) and not result.messages[name] and ended.attempts:
            uncertain = dialogue.effect is Effect.ONCE and "may have run" in ended.failure.detail
            reached = "connecting" not in ended.failure.detail
            assert ended.status is (Status.UNKNOWN if uncertain or reached else Status.UNREACHABLE)


@every_engine
@several
@given(fleet=st.lists(scripts, min_size=1, max_size=20), dialogue=dialogues, limits=limits, after=st.integers(0, 8))
def test_stopping(
    make: Callable[[Callable[[Host], Transport]], Engine],
    fleet: list[Script],
    dialogue: Dialogue[int],
    limits: Limits,
    after: int,
) -> None:
    transport = SimulatedTransport({host.name: script for host, script in zip(hosts(len(fleet)), fleet, strict=True)})

    async def main() -> tuple[Counter[str], float, list[Ended]]:
        clock = asyncio.get_running_loop().time
        ends: list[Ended] = []
        async with make(lambda host: transport).run(hosts(len(fleet)), dialogue, limits) as arrivals:
            asyncio.get_running_loop().call_later(after, arrivals.stop, "enough")
            stopped_at = clock() + after
            ends.extend([arrival async for arrival in arrivals if isinstance(arrival, Ended)])
        return Counter(ended.host for ended in ends), clock() - stopped_at, ends

    counts, late, ends = run(main())
    assert counts == Counter(host.name for host in hosts(len(fleet)))
    assert late <= GRACE_S
    for ended in ends:
        if isinstance(ended.failure, Stopped):
            assert "enough" in ended.failure.detail
            assert ended.status in {Status.SKIPPED, Status.UNKNOWN}
    assert transport.connected == 0


# the law's single sentences, one example each


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[[Callable[[Host], Transport]], Engine]:
    found: Callable[[Callable[[Host], Transport]], Engine] = request.param
    return found


def test_a_refused_connection_is_tried_again(make: Callable[..., Engine]) -> None:
    result = go(make, [Script(refusals=(ConnectRefused("x"),), answer=counting(2))], Count(), Limits(attempts=2))
    ended = result.ended["h00000"]
    assert (ended.status, ended.attempts, result.messages["h00000"]) == (Status.OK, 2, [1, 2])
    assert 0.25 <= result.seconds <= 0.5


@pytest.mark.parametrize("error", [AuthenticationFailed("x"), BecomeFailed("x"), DeadlineExceeded("x")])
def test_what_does_not_help_is_not_repeated(make: Callable[..., Engine], error: HostError) -> None:
    ended = go(make, [Script(refusals=(error,))], Count(), Limits(attempts=5)).ended["h00000"]
    assert (ended.attempts, ended.failure) == (1, error)


def failing_first(reply: Reply) -> Script:
    """Cuts the connection after the first command, then answers."""
    replies = iter([Reply(cut=True)])
    return Script(answer=lambda exec: next(replies, reply))


def test_a_read_is_tried_again_until_its_first_message(make: Callable[..., Engine]) -> None:
    result = go(make, [failing_first(Reply(b"1 2"))], Count(), Limits(attempts=2))
    assert (result.ended["h00000"].status, result.messages["h00000"]) == (Status.OK, [1, 2])


@dataclass(frozen=True)
class InPart(Count):
    """What came before a cut is worth having, but less than all: one list in the end."""

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[int]:
        numbers: list[int] = []
        try:
            async with connection.start(Exec(("count", "0")), deadline) as process:
                async for _, data in process.chunks():
                    numbers += map(int, data.split())
        except ConnectionLost as lost:
            raise CutShort(lost, sum(numbers)) from None
        yield sum(numbers)


def test_what_came_in_part_is_asked_for_again(make: Callable[..., Engine]) -> None:
    replies = iter([Reply(b"1", cut=True)])
    script = Script(answer=lambda exec: next(replies, Reply(b"1 2 3")))
    result = go(make, [script], InPart(), Limits(attempts=2))
    assert (result.ended["h00000"].status, result.messages["h00000"]) == (Status.OK, [6])


@pytest.mark.parametrize("then", [Reply(b"1 2", cut=True), Reply(hang=True), Reply(cut=True)])
def test_what_came_in_part_is_the_last_resort(make: Callable[..., Engine], then: Reply) -> None:
    replies = iter([Reply(b"1", cut=True)])
    result = go(make, [Script(answer=lambda exec: next(replies, then))], InPart(), Limits(attempts=2))
    ended = result.ended["h00000"]
    assert (ended.status, ended.attempts) == (Status.UNKNOWN, 2)
    assert len(result.messages["h00000"]) == 1
    assert not isinstance(ended.failure, CutShort), "it would keep the part for as long as the failure is kept"


def test_what_came_in_part_is_not_lost_by_stopping(make: Callable[..., Engine]) -> None:
    async def main() -> list[Arrival]:
        replies = iter([Reply(b"1 2", cut=True)])
        transport = SimulatedTransport(otherwise=Script(answer=lambda exec: next(replies, Reply(hang=True))))
        async with make(lambda host: transport).run(hosts(1), InPart(), Limits(attempts=2)) as arrivals:
            asyncio.get_running_loop().call_later(5, arrivals.stop, "enough")
            return [arrival async for arrival in arrivals]

    (said, ended) = run(main())
    assert isinstance(said, Message)
    assert said.value == 3
    assert isinstance(ended, Ended)
    assert isinstance(ended.failure, Stopped)


class SlowToLeave:
    """A transport whose connections take their time to say goodbye, or fail at it."""

    def __init__(self, goodbye_s: float = 0.0, failure: HostError | None = None) -> None:
        self._inner = SimulatedTransport(otherwise=Script(answer=counting(2)))
        self._goodbye_s = goodbye_s
        self._failure = failure

    @asynccontextmanager
    async def connect(self, endpoint: Endpoint, deadline: Deadline) -> AsyncIterator[Connection]:
        async with self._inner.connect(endpoint, deadline) as connection:
            yield connection
        await asyncio.sleep(self._goodbye_s)
        if self._failure is not None:
            raise self._failure


def left(make: Callable[..., Engine], transport: Transport, limits: Limits, stop_s: float | None = None) -> Ended:
    async def main() -> Ended:
        async with make(lambda host: transport).run(hosts(1), Count(), limits) as arrivals:
            if stop_s is not None:
                asyncio.get_running_loop().call_later(stop_s, arrivals.stop, "enough")
            return [arrival async for arrival in arrivals if isinstance(arrival, Ended)][-1]

    return run(main())


def test_a_dialogue_at_its_end_is_ok_whatever_the_goodbye_meets(make: Callable[..., Engine]) -> None:
    slow = SlowToLeave(goodbye_s=100)
    for transport, limits, stop_s in (
        (slow, Limits(host_s=5), None),
        (slow, Limits(host_s=60, total_s=3), None),
        (slow, Limits(), 2.0),
        (SlowToLeave(failure=ConnectionLost("x")), Limits(attempts=3), None),
        (SlowToLeave(failure=DeadlineExceeded("x")), Limits(), None),
    ):
        ended = left(make, transport, limits, stop_s)
        assert (ended.status, ended.failure, ended.attempts) == (Status.OK, None, 1)
        assert ended.seconds < 5 + GRACE_S


def test_a_dialogue_that_had_said_all_when_the_run_was_stopped_is_ok(make: Callable[..., Engine]) -> None:
    async def main() -> list[Arrival]:
        transport = SimulatedTransport(otherwise=Script(answer=lambda exec: Reply(b"1")))
        async with make(lambda host: transport).run(hosts(3), Count(), Limits(window=1)) as arrivals:
            await asyncio.sleep(1)  # the first message waits to be taken; the first Ended to be put beside it
            arrivals.stop("enough")
            return [arrival async for arrival in arrivals]

    statuses = [arrival.status for arrival in run(main()) if isinstance(arrival, Ended)]
    assert statuses == [Status.OK, Status.SKIPPED, Status.SKIPPED]


def test_a_host_that_was_reached_and_is_out_of_time_is_not_unreachable(make: Callable[..., Engine]) -> None:
    for script, status in (
        (Script(answer=lambda exec: Reply(hang=True)), Status.UNKNOWN),
        (Script(connect_s=100), Status.UNREACHABLE),
    ):
        ended = go(make, [script], Count(), Limits(host_s=5)).ended["h00000"]
        assert isinstance(ended.failure, DeadlineExceeded)
        assert ended.status is status


def test_once_may_be_tried_again_before_anything_was_sent(make: Callable[..., Engine]) -> None:
    result = go(make, [Script(refusals=(ConnectRefused("x"),))], Count(Effect.ONCE), Limits(attempts=2))
    assert result.ended["h00000"].status is Status.OK


def test_once_says_that_it_may_have_run(make: Callable[..., Engine]) -> None:
    ended = go(make, [Script(answer=lambda exec: Reply(cut=True))], Count(Effect.ONCE), Limits(attempts=5)).ended[
        "h00000"
    ]
    assert (ended.status, ended.attempts) == (Status.UNKNOWN, 1)
    assert ended.failure is not None
    assert "may have run" in ended.failure.detail


def test_resumable_goes_on_where_it_was_cut(make: Callable[..., Engine]) -> None:
    def two_at_a_time(exec: Exec) -> Reply:
        after = int(exec.argv[1])
        return Reply(b"%d %d" % (after + 1, after + 2), cut=after < 6)

    result = go(make, [Script(answer=two_at_a_time)], Follow(), Limits(attempts=9))
    assert result.messages["h00000"] == list(range(1, 9))
    assert result.ended["h00000"].attempts == 4


def test_backoff_ends_with_the_deadline(make: Callable[..., Engine]) -> None:
    result = go(make, [Script(refuse_all=ConnectRefused("x"))], Count(), Limits(attempts=1000, host_s=20))
    assert isinstance(result.ended["h00000"].failure, ConnectRefused)
    assert 3 <= result.ended["h00000"].attempts <= 12
    assert result.seconds <= 20


def test_a_bug_in_one_host_s_dialogue_ends_that_host_only(
    make: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    fleet = [Script(answer=lambda exec: Reply(b"no number")), Script(answer=counting(1))]
    result = go(make, fleet, Count(), Limits())
    assert result.ended["h00000"].status is Status.UNKNOWN
    assert "ValueError" in str(result.ended["h00000"].failure)
    assert result.ended["h00001"].status is Status.OK
    assert "invalid literal" in caplog.text


@dataclass(frozen=True)
class CancelsItself:
    """What a bug in a dialogue can do."""

    effect: Effect = Effect.READ

    async def speak(self, host: Host, connection: Connection, deadline: Deadline) -> AsyncIterator[int]:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        yield await future


def test_a_dialogue_that_cancels_itself_ends_that_host_only(make: Callable[..., Engine]) -> None:
    result = go(make, [Script(), Script(), Script()], CancelsItself(), Limits(window=1))
    assert [ended.status for ended in result.ended.values()] == [Status.UNKNOWN] * 3


def test_a_slow_consumer_holds_the_hosts_back(make: Callable[..., Engine]) -> None:
    transport = SimulatedTransport(otherwise=Script(answer=counting(1)))

    async def main() -> None:
        async with make(lambda host: transport).run(hosts(100), Count(), Limits(window=4)) as arrivals:
            async for _ in arrivals:
                await asyncio.sleep(50)
                begun = len(transport.received)
                break
            assert begun <= 2 * 4 + 1

    run(main())


def test_a_slow_consumer_is_not_the_host_s_fault(make: Callable[..., Engine]) -> None:
    async def main() -> list[Ended]:
        transport = SimulatedTransport(otherwise=Script(answer=counting(3)))
        ends = []
        async with make(lambda host: transport).run(hosts(6), Count(), Limits(window=2, host_s=2)) as arrivals:
            async for arrival in arrivals:
                await asyncio.sleep(1)
                ends += [arrival] if isinstance(arrival, Ended) else []
        return ends

    assert {ended.status for ended in run(main())} == {Status.OK}


def test_stopping_loses_no_message_that_arrived(make: Callable[..., Engine]) -> None:
    """Nor waits for a host that says no more."""

    async def main() -> tuple[list[Arrival], float]:
        transport = SimulatedTransport(otherwise=Script(answer=lambda exec: Reply(b"1 2", hang=True)))
        async with make(lambda host: transport).run(hosts(1), Count(), Limits(window=1)) as arrivals:
            await asyncio.sleep(1)  # the first message waits to be taken, the second to be put beside it
            arrivals.stop("enough")
            began = asyncio.get_running_loop().time()
            seen = [arrival async for arrival in arrivals]
            return seen, asyncio.get_running_loop().time() - began

    seen, late = run(main())
    assert [arrival.value for arrival in seen if isinstance(arrival, Message)] == [1, 2]
    assert late < GRACE_S


def test_leaving_early_ends_everything(make: Callable[..., Engine]) -> None:
    transport = SimulatedTransport(otherwise=Script(answer=lambda exec: Reply(b"1", hang=True)))

    async def main() -> int:
        async with make(lambda host: transport).run(hosts(50), Count(), Limits(window=8)) as arrivals:
            async for _ in arrivals:
                break
        return len(asyncio.all_tasks())

    assert run(main()) == 1
    assert transport.connected == 0


def test_no_hosts(make: Callable[..., Engine]) -> None:
    assert go(make, [], Count(), Limits()).arrivals == []


@pytest.mark.parametrize(("few", "many"), [(500, 3_000), pytest.param(1_000, 10_000, marks=pytest.mark.slow)])
def test_memory_and_tasks_follow_the_window_not_the_hosts(make: Callable[..., Engine], few: int, many: int) -> None:
    """At most 5 MB more at 10,000 hosts than at 1,000 is the design's budget (timers of the last half minute)."""
    small, big = hosts(few), hosts(many)

    async def sweep(fleet: list[Host]) -> int:
        transport = SimulatedTransport(otherwise=Script(connect_s=1.0, answer=counting(1)), keep=False)
        most = ended = 0
        async with make(lambda host: transport).run(fleet, Count(), Limits(window=64)) as arrivals:
            async for arrival in arrivals:
                ended += isinstance(arrival, Ended)
                if ended % 500 == 1:
                    most = max(most, len(asyncio.all_tasks()))
        assert ended == len(fleet)
        return most

    def peak(fleet: list[Host]) -> int:
        gc.collect()
        tracemalloc.start()
        most_tasks = run(sweep(fleet))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most_tasks <= 64 + 3
        return highest

    peak(small)  # what is loaded and cached on first use is not the run's
    assert peak(big) - peak(small) < 5 << 20
