"""Choice among replicas, on a clock of the test's own."""

from __future__ import annotations

from earwitness.engines.upstream_replicas import FAILURES, OUT_S, Replicas


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_busy_is_chosen_and_equals_take_turns() -> None:
    replicas = Replicas(["a", "b"])
    first = replicas.choose()
    assert first is not None
    with replicas.using(first):
        second = replicas.choose()
        assert second is not None
        assert second is not first
    with replicas.using(second):
        assert replicas.choose() is first


def test_the_sick_are_left_out_and_come_back() -> None:
    clock = Clock()
    replicas = Replicas(["a", "b"], clock)
    a, b = replicas.all
    for _ in range(FAILURES):
        replicas.bad(a)
    assert [replicas.choose() for _ in range(3)] == [b, b, b]
    assert replicas.sick() == [a]
    clock.now = OUT_S
    assert replicas.choose() is a
    replicas.bad(a)
    clock.now = 2 * OUT_S
    assert replicas.choose() is b, "a further failure leaves it out for twice as long"
    replicas.good(a)
    assert replicas.choose() is a


def test_when_all_are_out_the_one_due_first_is_tried() -> None:
    clock = Clock()
    replicas = Replicas(["a", "b"], clock)
    for r in replicas.all:
        for _ in range(FAILURES):
            replicas.bad(r)
        clock.now += 1.0
    assert replicas.choose() is replicas.all[0]


def test_no_replica_is_tried_twice() -> None:
    replicas = Replicas(["a"])
    assert replicas.choose(replicas.all) is None
