# `just` lists the recipes. In a checkout: .venv/bin/just ready

set shell := ["bash", "-euo", "pipefail", "-c"]
export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

[private]
default:
    @just --list

# Everything that must pass before a commit: style, types, architecture, generated files, tests
[group('check')]
ready: lint types imports sizes gen-check test

# Format the code
[group('check')]
fmt:
    ruff format .
    ruff check --fix .

# Style
[group('check')]
lint:
    ruff format --check .
    ruff check .

# Types, strict
[group('check')]
types:
    mypy

# The direction of imports (contracts in pyproject.toml)
[group('check')]
imports:
    lint-imports --no-cache

# File and function budgets
[group('check')]
sizes:
    python -m tests.sizes

# Rewrite everything that is generated from a source of truth
[group('generate')]
gen:
    python -m codegen.specgen
    nexusflow build --quiet
    python -m tests.negative.update
    python -m tests.golden.update
    python -m tests.matrix.update
    nexusflow losses > docs/losses.md

# Fail when a generated file is out of date
[group('generate')]
gen-check:
    python -m codegen.specgen --check
    nexusflow build --check

# All tests, four files at a time, as most of them wait for servers
[group('test')]
test *args:
    python -m pytest -n 4 --dist loadfile {{args}}

# Kill workers under load, 200 times, and audit the books after each round
[group('test')]
chaos *args:
    python -m tests.chaos {{args}}

# Three processes against each engine of limits for a minute: used at most what is allowed, nothing leaked
[group('test')]
exactness *args:
    python -m tests.exactness {{args}}

# CPU, latency and memory of the gateway beside nginx on this machine
[group('measure')]
bench *args:
    python -m bench {{args}}
