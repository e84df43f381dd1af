"""The Python modules of an artifact. Templates only loop; every name, literal and order is decided here."""

from functools import cache

import jinja2

from codegen import shapes
from codegen.emit import allowlist, literals
from nexusflow.ir.plan import ABI, FieldRule, Plan, RequestShape

TEMPLATES = ("__init__.py", "prices.py", "requests.py", "routes.py")
SURFACES = {
    "openai/chat-completions": ("chat", "OpenAIChat", "/v1/chat/completions"),
}
"""Client protocol: name of the handler, endpoint class, path. The fixed list that route modules are made from."""


def emit(plan: Plan, generator: str, plan_digest: str) -> dict[str, bytes]:
    """All modules by file name, each checked against the allowlist."""
    context = {
        "generator": generator,
        "abi": ABI,
        "plan": plan_digest.removeprefix("sha256:")[:12],
        "structs": [_struct(at, shape) for at, shape in enumerate(plan.shapes)],
        "prices": [literals.constant(price, indent=4) for price in plan.prices],
        "surfaces": [SURFACES[surface.protocol] for surface in plan.surfaces],
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


def _struct(at: int, shape: RequestShape) -> dict[str, object]:
    return {"name": f"Chat{at}", "index": at, "fields": [_field(rule) for rule in shape.fields]}


def _field(rule: FieldRule) -> tuple[str, str]:
    """A field's name, from the fixed list, and its narrowed annotation."""
    if rule.name not in shapes.KNOWN:
        raise ValueError(f"{rule.name} cannot be narrowed")
    if not rule.accept:
        return rule.name, "None"
    if rule.name == "stop":
        return rule.name, f"str | Annotated[list[str], Meta(max_length={literals.number(rule.maximum or 0)})] | None"
    kind = shapes.NUMBERS[rule.name].kind
    bounds = [
        f"{keyword}={literals.number(kind(bound))}"
        for keyword, bound in (("ge", rule.minimum), ("le", rule.maximum))
        if bound is not None
    ]
    return rule.name, f"Annotated[{kind.__name__}, Meta({', '.join(bounds)})] | None"
