"""Models made ready to serve whose providers nobody calls."""

from typing import Any

from nexusflow.flow.served import ServedLane, serve_models
from nexusflow.ir.artifact import Artifact
from nexusflow.ir.plan import CredentialRef, Lane, Model, Plan, Provider, Server


class Nowhere:
    """Upstreams that nobody calls."""

    def connect(self, provider: Provider) -> Any:
        return provider.id

    def base_url(self, provider: Provider) -> str:
        return provider.base_url


def plan(*lanes: Lane) -> Plan:
    providers = tuple(
        Provider(
            id=name,
            title=name,
            protocol="openai/chat-completions",
            base_url="http://127.0.0.1:9/v1/",
            credential=CredentialRef("env", "NEXUSFLOW_TEST_NO_SUCH_VARIABLE") if name == "locked" else None,
        )
        for name in ("a", "b", "c", "locked")
    )
    model = Model(id="m/1", title="m", owner="t", category="language", lanes=lanes, protocols=(), aliases=("other",))
    return Plan(server=Server(name="t"), surfaces=(), providers=providers, models=(model,))


def lane(provider: str, **more: Any) -> Lane:
    return Lane(path="p", provider=provider, model="up", **{"protocol": "openai/chat-completions", **more})


def served(*lanes: Lane) -> Any:
    by_name = serve_models(Artifact(plan(*lanes), ()), Nowhere())
    assert set(by_name) == {b'"m/1"', b'"other"'}
    assert by_name[b'"m/1"'] is by_name[b'"other"']
    return by_name[b'"m/1"']


def served_lane(provider: str) -> ServedLane:
    """The one lane of a model, at this provider."""
    found: ServedLane = served(lane(provider)).lanes[0]
    return found
