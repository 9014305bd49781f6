"""The API as an OpenAPI 3.1 document, made from the routes themselves."""

from collections.abc import Iterable, Mapping

from regproxy import __version__
from regproxy.admin.route import Parameter, Route

_PROBLEM = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
    "required": ["title", "status", "detail"],
}


def document(prefix: str, routes: Iterable[Route]) -> Mapping[str, object]:
    """Every path below `prefix`."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "regproxy", "version": __version__, "summary": "The running proxy, looked after."},
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # None is asked for on the Unix socket.
        "security": [{"token": []}, {}],
    }


def _operation(route: Route) -> Mapping[str, object]:
    return {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('.', '_')}",
        "parameters": [_parameter(one) for one in route.parameters],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {
                "description": "Not done, with the reason (RFC 9457)",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }


def _parameter(one: Parameter) -> Mapping[str, object]:
    told = {"name": one.name, "in": "query", "description": one.says, "required": one.required}
    return {**told, "schema": {"type": "string"}}
