# The daily commands; `just` lists them.

default:
    @just --list

# Install for development
install:
    pip install -e ".[local,dev]"

# Run the tests
test *arguments:
    pytest {{arguments}}

# Format and fix
format:
    ruff format .
    ruff check --fix .

# All gates but the tests
check:
    ruff format --check .
    ruff check .
    mypy
    lint-imports

# Everything, in fresh environments
ci:
    .ci/run
