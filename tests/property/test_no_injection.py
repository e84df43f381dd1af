"""No text of a gateway.yaml can become code (SEC-40 to SEC-44): the schema's patterns are bypassed here on purpose."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from codegen import spec
from codegen.emit import allowlist, catalog, emit
from codegen.resolve import resolve
from codegen.shapes import KNOWN
from nexusflow.ir.plan import Plan

HOSTILE = (
    '"""; import os; os.system("x") #',
    "'''\nimport os\n'''",
    '")\nimport os\n(',
    "\\'; import os #",
    "{{ 7*7 }}{% import os %}",
    "\u2028import os\u2029",
    "\r\nimport os\r\n",
    "${jndi:ldap://x}",
    "\\N{QUOTATION MARK}",
    "name\x00import os",
    "class X: pass",
    "🦊‮evil",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40))


def document(fill: dict[str, str]) -> spec.Spec:
    """A document with a free text in every place where a string can stand."""
    value: dict[str, Any] = {
        "version": 1,
        "gateway": {"name": fill["gateway"], "currency": "USD"},
        "providers": {
            fill["provider"]: {
                "title": fill["title"],
                "protocol": "openai/chat-completions",
                "base_url": fill["url"],
                "credential": {"env": fill["env"]},
                "headers": {fill["header"]: fill["value"]},
            }
        },
        "models": {
            fill["model"]: {
                "title": fill["title"],
                "description": fill["description"],
                "owner": fill["owner"],
                "category": "language",
                "tags": [fill["tag"]],
                "aliases": [fill["alias"]],
                "supported_protocols": ["openai/chat-completions"],
                "max_output_tokens": 10,
                "parameters": {
                    "reasoning_effort": {"allowed": [fill["allowed"]], "default": fill["allowed"]},
                    fill["parameter"]: {"accept": False},
                },
                "price": {
                    "input": "1",
                    "output": "2",
                    "tiers": {fill["tier"]: {"input": "1"}},
                    "images": [{"size": fill["size"], "quality": fill["quality"], "per_image": "1"}],
                    "video_seconds": [{"resolution": fill["resolution"], "per_second": "1"}],
                },
                "lanes": [{"provider": fill["provider"], "model": fill["upstream"]}],
                "deprecated": {"since": fill["since"]},
            }
        },
    }
    return msgspec.convert(value, spec.Spec)


PLACES = sorted(
    {"gateway", "provider", "title", "url", "env", "header", "value", "model", "description", "owner", "tag", "alias"}
    | {"allowed", "parameter", "tier", "size", "quality", "resolution", "upstream", "since"}
)
BENIGN = {place: place for place in PLACES}


def shape(source: bytes) -> str:
    """The syntax tree with every literal erased."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = None
    return ast.dump(tree)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(PLACES, texts)))
def test_SEC44_hostile_text_changes_no_syntax(fill: dict[str, str]) -> None:
    assume(fill["parameter"] not in KNOWN)  # a real parameter's name narrows a struct, as it should
    hostile, benign = emit(resolve(document(fill))), emit(resolve(document(BENIGN)))
    for name in (name for name in hostile if name.endswith(".py")):
        assert shape(hostile[name]) == shape(benign[name]), name


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_SEC41_every_text_survives_as_data(place: str, text: str) -> None:
    """What goes in comes out of the artifact unchanged: nothing is escaped away or executed."""
    plan = resolve(document({**BENIGN, place: text}))
    files = emit(plan)
    again = msgspec.json.decode(files[catalog.FILE], type=Plan)
    assert msgspec.structs.replace(again, prices=plan.prices) == plan
    namespace: dict[str, Any] = {}
    exec(compile(files["prices.py"], "prices.py", "exec"), namespace)
    assert namespace["PRICES"] == plan.prices


@pytest.mark.parametrize(
    "source",
    [
        "import os\n",
        "from os import system\n",
        "x = __import__('os')\n",
        "x = ().__class__\n",
        "x = [y for y in (1,)]\n",
        "def f():\n    return 1\n",
        "x = lambda: 1\n",
        "x = f'{1}'\n",
        "class A(ChatRequest):\n    '''d'''\n    evil: None = None\n",
        "x = eval('1')\n",
        "async def f(scope):\n    await chat(scope)\n    await chat(scope)\n",
        "if True:\n    x = 1\n",
    ],
)
def test_SEC43_the_allowlist_refuses_anything_else(source: str) -> None:
    with pytest.raises(allowlist.NotAllowed):
        allowlist.check("x.py", source)


def test_SEC42_templates_hold_only_listed_expressions() -> None:
    """Each `{{ … }}` of a template is one of our own names; all values pass `literals` before they get there."""
    import re

    folder = Path(__file__).resolve().parents[2] / "codegen" / "templates"
    ours = {"generator", "abi", "plan", "name", "annotation", 'struct_names | join(", ")'}
    ours |= {"struct.name", "struct.base", "struct.index", "face.name", "face.endpoint", "face.quoted"}
    fixed = {'", is_mount=True" if face.mount', '", generate" if gemini', '" = None" if annotation.endswith("None")'}
    allowed = ours | fixed | {"price"}
    for template in folder.iterdir():
        found = set(re.findall(r"\{\{\s*(.*?)\s*\}\}", template.read_text(encoding="utf-8")))
        assert found <= allowed, template.name
