"""Which limits apply to a call, and where each comes from (contract 2.10)."""

import pytest

from nexusflow.ir.quota import PLANS, Quota
from nexusflow.limits.resolve import Caller, Grades, limits_of, limits_on, relevant
from nexusflow.limits.rule import Limit

CALLER = Caller(org="o", key="k", team="t", user="u")


def by(limits: tuple[Limit, ...], scope: str, kind: str) -> Limit:
    (found,) = [one for one in limits if (one.scope, one.kind) == (scope, kind)]
    return found


@pytest.mark.parametrize(
    ("name", "rpm", "tpm", "concurrent"),
    [
        ("free", 20, 40_000, 2),
        ("developer", 60, 150_000, 5),
        ("team", 200, 500_000, 20),
        ("enterprise", 1_000, 2_000_000, 100),
    ],
)
def test_the_plans_of_contract_2_10(name: str, rpm: int, tpm: int, concurrent: int) -> None:
    limits = limits_of(CALLER, Grades(system=PLANS[name]), "m")
    assert [(one.kind, one.amount, one.window_ms) for one in limits[:2]] == [
        ("requests", rpm, 60_000),
        ("tokens", tpm, 60_000),
    ]
    assert (by(limits, "user", "concurrency").amount, len(limits)) == (concurrent, 3)


def test_a_default_is_replaced_by_the_users_and_that_by_the_models_field_by_field() -> None:
    grades = Grades(
        system=Quota(rpm=20, tpm=40_000, concurrency=2), user=Quota(rpm=60, tpm=90_000), overrides={"big": Quota(rpm=5)}
    )
    plain, big = limits_of(CALLER, grades, "m"), limits_of(CALLER, grades, "big")
    assert [(one.kind, one.amount, one.source) for one in plain] == [
        ("requests", 60, "user default"),
        ("tokens", 90_000, "user default"),
        ("concurrency", 2, "system default"),
    ]
    assert [(one.kind, one.amount, one.source) for one in big] == [
        ("requests", 5, "model override"),
        ("tokens", 90_000, "user default"),
        ("concurrency", 2, "system default"),
    ]


def test_an_overridden_limit_is_a_bucket_of_its_own() -> None:
    grades = Grades(system=PLANS["free"], overrides={"big": Quota(rpm=5), "small": Quota(rpm=500)})
    keys = {by(limits_of(CALLER, grades, model), "user", "requests").key for model in ("m", "n", "big", "small")}
    assert len(keys) == 3
    assert len({by(limits_of(CALLER, grades, model), "user", "tokens").key for model in ("m", "big")}) == 1


def test_all_keys_of_a_user_share_and_a_key_without_one_stands_alone() -> None:
    grades = Grades(system=PLANS["free"])
    first, second = (limits_of(Caller(org="o", key=key, user="u"), grades, "m") for key in ("a", "b"))
    assert [one.key for one in first] == [one.key for one in second]
    alone, other = (limits_of(Caller(org="o", key=key), grades, "m") for key in ("a", "b"))
    assert {one.scope for one in alone} == {"key"}
    assert not {one.key for one in alone} & {one.key for one in other}


def test_a_key_adds_its_own_cap() -> None:
    grades = Grades(system=PLANS["free"])
    owned = limits_of(Caller(org="o", key="k", user="u", key_rpm=3), grades, "m")
    assert (by(owned, "key", "requests").amount, by(owned, "key", "requests").source) == (3, "key")
    alone = [one for one in limits_of(Caller(org="o", key="k", key_rpm=3), grades, "m") if one.kind == "requests"]
    assert sorted(one.amount for one in alone) == [3, 20]
    assert len({one.key for one in alone}) == 2


def test_team_and_organisation_come_on_top_and_are_shared() -> None:
    grades = Grades(system=PLANS["free"], org=Quota(rpm=1000), team=Quota(tpm=9000, concurrency=8), fail="closed")
    limits = limits_of(CALLER, grades, "m")
    assert [(one.scope, one.kind, one.amount) for one in limits[3:]] == [
        ("team", "tokens", 9000),
        ("team", "concurrency", 8),
        ("org", "requests", 1000),
    ]
    assert {one.fail for one in limits} == {"closed"}
    elsewhere = limits_of(Caller(org="o", key="x", team="t", user="y"), grades, "n")
    assert [one.key for one in elsewhere[3:]] == [one.key for one in limits[3:]]
    without = limits_of(Caller(org="o", key="x"), grades, "m")
    assert {one.scope for one in without} == {"key", "org"}


def test_models_and_deployments_are_shared_by_organisations() -> None:
    (model,) = limits_on("model", "m", Quota(rpm=9))
    deployment = limits_on("deployment", "m", Quota(tpm=5, streams=2), "open")
    assert (model.scope, model.source, model.amount, model.fail) == ("model", "model", 9, "local")
    assert [(one.kind, one.amount, one.fail) for one in deployment] == [("tokens", 5, "open"), ("streams", 2, "open")]
    assert len({model.tag, deployment[0].tag, limits_of(CALLER, Grades(system=PLANS["free"]), "m")[0].tag}) == 3


def test_only_streams_and_tasks_need_their_slots() -> None:
    limits = limits_on("model", "m", Quota(rpm=1, tpm=1, concurrency=1, streams=1, tasks=1))
    kinds = {
        (stream, task): [one.kind for one in relevant(limits, stream=stream, task=task)]
        for stream in (False, True)
        for task in (False, True)
    }
    always = ["requests", "tokens", "concurrency"]
    assert kinds == {
        (False, False): always,
        (True, False): [*always, "streams"],
        (False, True): [*always, "tasks"],
        (True, True): [*always, "streams", "tasks"],
    }
