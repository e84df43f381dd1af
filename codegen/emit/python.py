"""The Python modules of an artifact. Templates only loop; every name, literal and order is decided here."""

from functools import cache
from typing import Any, NamedTuple

import jinja2

from codegen import shapes
from codegen.emit import allowlist, literals
from nexusflow.ir.parameters import GEMINI_TOP_LEVEL
from nexusflow.ir.plan import ABI, FieldRule, Plan, RequestShape

ROUTE_NAMES = ("ModelList", "Receive", "Scope", "Send", "asgi", "by_method", "load")
TEMPLATES = ("__init__.py", "prices.py", "requests.py", "routes.py")


class Face(NamedTuple):
    """One client protocol: the handler's name, its endpoint class, its paths, whether paths below them are its too.

    Without paths of its own it is reached through the model addresses (Gemini).
    """

    name: str
    endpoint: str
    struct: str
    paths: tuple[str, ...]
    mount: bool = False

    @property
    def quoted(self) -> str:
        """The paths as the inside of a tuple."""
        return ", ".join(f'"{path}"' for path in self.paths)


FACES = {
    "openai/chat-completions": Face(
        "chat",
        "OpenAIChat",
        "ChatRequest",
        ("/v1/chat/completions", "/chat/completions", "/v1beta/openai/chat/completions"),
    ),
    "openai/responses": Face("responses", "OpenAIResponses", "ResponsesRequest", ("/v1/responses", "/responses"), True),
    "anthropic/messages": Face(
        "messages", "AnthropicMessages", "MessagesRequest", ("/v1/messages", "/v1/v1/messages"), True
    ),
    "google/generate-content": Face("generate", "GeminiGenerate", "GenerateRequest", ()),
    "openai/embeddings": Face("embeddings", "OpenAIEmbeddings", "EmbeddingRequest", ("/v1/embeddings", "/embeddings")),
    "openai/image-generations": Face("images", "OpenAIImages", "ImageRequest", ("/v1/images", "/images"), True),
    "nexusflow/tasks": Face("tasks", "Tasks", "TaskRequest", ("/v1/tasks", "/v1/videos"), True),
}
"""The fixed list that route modules are made from, by client protocol."""


def emit(plan: Plan, generator: str, plan_digest: str) -> dict[str, bytes]:
    """All modules by file name, each checked against the allowlist."""
    faces = [FACES[surface.protocol] for surface in plan.surfaces]
    structs = [struct for at, shape in enumerate(plan.shapes) for struct in _structs(at, shape)]
    context = {
        "generator": generator,
        "abi": ABI,
        "plan": plan_digest.removeprefix("sha256:")[:12],
        "structs": structs,
        "requests": [f"{FACES[shape.protocol].struct}{at}" for at, shape in enumerate(plan.shapes)],
        "prices": [literals.constant(price, indent=4) for price in plan.prices],
        "faces": faces,
        "routed": [face for face in faces if face.paths],
        "gemini": any(not face.paths for face in faces),
        "struct_names": _sorted({"Struct", *(struct["base"] for struct in structs), *_annotations(structs)}),
        "route_names": _sorted({*ROUTE_NAMES, *(face.endpoint for face in faces)}),
    }
    files: dict[str, bytes] = {}
    for name in TEMPLATES:
        source = _templates().get_template(f"{name}.j2").render(context)
        allowlist.check(name, source)
        files[name] = source.encode("ascii")
    return files


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("codegen", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  # the output is Python; values come only through `literals`
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _structs(at: int, shape: RequestShape) -> list[dict[str, Any]]:
    """The struct of one shape, after the one for Gemini's nested settings where those are narrowed."""
    base = FACES[shape.protocol].struct
    fields = [_field(shape.protocol, rule) for rule in shape.fields]
    if base == "MessagesRequest":
        fields = [(name, text.removesuffix(" | None") if name == "max_tokens" else text) for name, text in fields]
    if base != "GenerateRequest":
        return [{"name": f"{base}{at}", "base": base, "index": at, "fields": fields}]
    outer = [field for field in fields if field[0] in GEMINI_TOP_LEVEL]
    inner = [field for field in fields if field[0] not in GEMINI_TOP_LEVEL]
    structs: list[dict[str, Any]] = []
    if inner:
        structs.append({"name": f"GenerationConfig{at}", "base": "GenerationConfig", "index": at, "fields": inner})
        outer.append(("generationConfig", f"GenerationConfig{at} | None"))
    return [*structs, {"name": f"{base}{at}", "base": base, "index": at, "fields": outer}]


def _annotations(structs: list[dict[str, Any]]) -> set[str]:
    """The names that the structs' annotations need."""
    found = " ".join(annotation for struct in structs for _, annotation in struct["fields"])
    return {name for name in ("Annotated", "Literal", "Meta") if f"{name}[" in found or f"{name}(" in found}


def _sorted(names: set[str]) -> list[str]:
    """Import order: constants and classes before functions."""
    return sorted(names, key=lambda name: (name[0].islower(), name))


def _field(protocol: str, rule: FieldRule) -> tuple[str, str]:
    """A field's name, from the fixed lists, and its narrowed annotation."""
    if rule.name not in shapes.FIELDS[protocol]:
        raise ValueError(f"{rule.name} cannot be narrowed")
    if not rule.accept:
        return rule.name, "None"
    if rule.values:
        return rule.name, f"Literal[{', '.join(literals.constant(value) for value in rule.values)}] | None"
    if rule.name == shapes.LISTS.get(protocol):
        least = "min_length=1, " if protocol == "nexusflow/tasks" else ""
        bound = f"Annotated[list[str], Meta({least}max_length={literals.number(rule.maximum or 0)})] | None"
        return rule.name, f"str | {bound}" if rule.name == "stop" else bound
    kind = shapes.BOUNDS[protocol][rule.name].kind
    bounds = [
        f"{keyword}={literals.number(kind(bound))}"
        for keyword, bound in (("ge", rule.minimum), ("le", rule.maximum))
        if bound is not None
    ]
    return rule.name, f"Annotated[{kind.__name__}, Meta({', '.join(bounds)})] | None"
