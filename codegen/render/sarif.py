"""SARIF 2.1.0: the format of code scanning services."""

import hashlib
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

import msgspec

from codegen.render.finding import Edit, Finding, Place
from codegen.render.json import encode
from codegen.rules import RULES, Rule

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://nexusflow.dev"


def render(findings: list[Finding]) -> str:
    """One log with one run. Fingerprints hold code and path, so a finding is the same after lines have moved."""
    rules = sorted(RULES.values(), key=lambda rule: rule.code)
    index = {rule.code: position for position, rule in enumerate(rules)}
    seen: Counter[str] = Counter()
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(rules)},
                "columnKind": "unicodeCodePoints",
                "results": [_result(item, index[item.code], seen) for item in findings],
            }
        ],
    }
    return msgspec.json.format(encode(log), indent=2) + "\n"


def _driver(rules: list[Rule]) -> dict[str, Any]:
    driver = {"name": "nexusflow", "informationUri": _HOME, "rules": [_rule(rule) for rule in rules]}
    try:
        return driver | {"version": version("nexusflow-gateway")}
    except PackageNotFoundError:  # run from a checkout that is not installed
        return driver


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.slug.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.page(), "markdown": rule.page()},
        "helpUri": f"{_HOME}/rules/{rule.code}",
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(item: Finding, rule: int, seen: Counter[str]) -> dict[str, Any]:
    identity = encode([item.code, item.path or item.message])
    fingerprint = hashlib.sha256(f"{identity}#{seen[identity]}".encode()).hexdigest()[:32]
    seen[identity] += 1
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity,
        "message": {"text": "\n".join((item.message, *item.help))},
        "locations": [_location(item.place)],
        "partialFingerprints": {"codeAndPath/v1": fingerprint},
    }
    if item.related:
        result["relatedLocations"] = [
            _location(place) | {"id": number, "message": {"text": place.text}}
            for number, place in enumerate(item.related, start=1)
        ]
    if item.fix:
        result["fixes"] = [_fix(item.fix)]
    return result


def _location(place: Place) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(place)}, "region": _region(place)}}


def _fix(fix: Edit) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(fix.place), "insertedContent": {"text": fix.replacement}}
    change = {"artifactLocation": {"uri": _uri(fix.place)}, "replacements": [replacement]}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}


def _region(place: Place) -> dict[str, int]:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _uri(place: Place) -> str:
    return quote(place.file.replace("\\", "/"))
