"""Ask Superset for the data of each chart of a dashboard, and print it as JSON.

Run by Superset's own Python (`benchmarks.superset` does), which has none of ours:
``python superset_check.py SLUG``.
"""

import json
import sys
from typing import Any


def main(slug: str) -> None:
    """Print ``{title: {"error": ..., "rows": [...]}}`` for every chart."""
    from superset.app import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    # Each request has a context of its own: in a common one the first user stays.
    client = app.test_client()
    headers = _log_in(client)
    charts = _get(client, headers, f"/api/v1/dashboard/{slug}/charts")
    answers = {
        chart["slice_name"]: _ask(client, headers, chart["form_data"])
        for chart in charts
    }
    # Whatever else Superset prints stands on other lines.
    print("ANSWERS " + json.dumps(answers))


def _log_in(client: Any) -> dict[str, str]:
    given = {"username": "admin", "password": "admin", "provider": "db"}
    answer = client.post("/api/v1/security/login", json=given)
    return {"Authorization": f"Bearer {answer.json['access_token']}"}


def _get(client: Any, headers: dict[str, str], path: str) -> Any:
    answer = client.get(path, headers=headers)
    if answer.status_code != 200:
        sys.exit(f"{path}: {answer.status_code} {answer.text[:500]}")
    return answer.json["result"]


def _ask(client: Any, headers: dict[str, str], form: dict[str, Any]) -> dict[str, Any]:
    number, _, kind = str(form["datasource"]).partition("__")
    asked = {
        "datasource": {"id": int(number), "type": kind},
        "queries": [_query(form)],
        "result_format": "json",
        "result_type": "full",
    }
    answer = client.post("/api/v1/chart/data", json=asked, headers=headers)
    if answer.status_code != 200:
        return {"error": f"{answer.status_code} {answer.text[:500]}", "rows": []}
    [result] = answer.json["result"]
    return {"error": result.get("error"), "rows": result["data"]}


def _query(form: dict[str, Any]) -> dict[str, Any]:
    lists = ("groupby", "groupbyRows", "groupbyColumns")
    columns = [form["x_axis"]] if form.get("x_axis") else []
    columns += [column for name in lists for column in form.get(name) or []]
    filters = [
        {"col": f["subject"], "op": f["operator"], "val": f["comparator"]}
        for f in form.get("adhoc_filters") or []
    ]
    return {
        "columns": columns,
        "metrics": form["metrics"],
        "filters": filters,
        "row_limit": form["row_limit"],
    }


if __name__ == "__main__":
    main(sys.argv[1])
