"""Entity-relationship diagram of the marts, in Mermaid, from the keys they declare."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from python_scoring import config

FILE = Path("docs") / "er_diagram.md"

_PREFACE = """# Marts and their keys

Made by `./riskmart docs er` from the constraints that the marts' YAML declares; a test
holds it to them. `PK` is in the primary key, `FK` in a foreign one, `UK` is unique.
Of each mart only the columns of its keys are shown: `\\d+ marts.predictions` in psql,
or `./riskmart dbt docs generate --target published`, tells of all.
"""


def markdown(manifest: Any) -> str:
    """Return the page, from what dbt read of the project (`Project.manifest`)."""
    marts = sorted(
        (node for node in manifest.nodes.values() if _is_mart(node)),
        key=lambda node: node.alias,
    )
    aliases = {node.name: node.alias for node in marts}
    tables = [mart for mart in marts if mart.constraints]
    views = [mart.alias for mart in marts if not mart.constraints]
    diagram = ["erDiagram", *_relations(tables, aliases), *_entities(tables)]
    lines = [_PREFACE, "```mermaid", *diagram, "```", ""]
    if views:
        lines += [
            f"Views, which have no keys: {', '.join(f'`{v}`' for v in views)}.",
            "",
        ]
    return "\n".join(lines)


def write(manifest: Any) -> Path:
    """Write the page into the project; its path."""
    path = config.PROJECT_DIR / FILE
    path.write_text(markdown(manifest), encoding="utf-8")
    return path


def _is_mart(node: Any) -> bool:
    is_model = node.resource_type.value == "model"
    return bool(is_model and node.config.schema == "marts")


def _relations(marts: Iterable[Any], aliases: Mapping[str, str]) -> Iterable[str]:
    for mart in marts:
        primary = _columns(mart, "primary_key")
        for key in _keys(mart, "foreign_key"):
            parent = aliases[_parent(key)]
            # Whose key points elsewhere with all of its own key has one row at most.
            many = "o|" if set(key.columns) == set(primary) else "o{"
            columns = ", ".join(key.columns)
            yield f'    {parent} ||--{many} {mart.alias} : "{columns}"'


def _parent(key: Any) -> str:
    """Name of the model in a key's `ref('...')`, which dbt only resolves in a run."""
    found = re.fullmatch(r"\s*ref\('(\w+)'.*\)\s*", key.to)
    assert found, key.to
    return found[1]


def _entities(marts: Iterable[Any]) -> Iterable[str]:
    for mart in marts:
        marks = {
            "PK": _columns(mart, "primary_key"),
            "FK": _columns(mart, "foreign_key"),
            "UK": [k.columns[0] for k in _keys(mart, "unique") if len(k.columns) == 1],
        }
        yield f"    {mart.alias} {{"
        for column in mart.columns.values():
            of = [mark for mark, names in marks.items() if column.name in names]
            if of:
                kind = column.data_type.replace(" ", "_")
                yield f"        {kind} {column.name} {', '.join(of)}"
        yield "    }"


def _keys(mart: Any, kind: str) -> list[Any]:
    return [key for key in mart.constraints if key.type.value == kind]


def _columns(mart: Any, kind: str) -> list[str]:
    return [column for key in _keys(mart, kind) for column in key.columns]
