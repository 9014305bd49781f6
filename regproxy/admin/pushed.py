"""What registries tell of pushes, each in its own form: read defensively, for anybody may have written it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

MAX_PUSHED = 100  # tags of one message
MAX_REFERENCE = 512
# A name that a pattern cannot hide in.
_REFERENCE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)+:[\w.-]+", re.ASCII)
_HARBOR = frozenset({"PUSH_ARTIFACT", "DELETE_ARTIFACT", "harbor.artifact.pushed", "harbor.artifact.deleted"})

Read = Callable[[Mapping[str, Any], str], Iterator[str]]


def pushed(sender: str, body: bytes, registry: str = "") -> tuple[str, ...]:
    """The tags of a message, as `registry/repository:tag`; `registry` says its name where it calls itself otherwise.

    Raises ValueError, a sentence, for what is no such message, KeyError for a sender that is none of ours.
    """
    read = SENDERS[sender]
    try:
        found = tuple(dict.fromkeys(read(json.loads(body), registry)))
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is no JSON") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"the body is no message of {sender}") from error
    if len(found) > MAX_PUSHED:
        raise ValueError(f"the message names {len(found)} tags; at most {MAX_PUSHED} are taken at once")
    for one in found:
        if len(one) > MAX_REFERENCE or not _REFERENCE.fullmatch(one):
            raise ValueError(f"{one[:80]!r} in the message is no name of a tag")
    return found


def _distribution(told: Mapping[str, Any], registry: str) -> Iterator[str]:
    """CNCF distribution's envelope, GitLab's registry too; blobs and manifests without a tag change no tag."""
    for event in told["events"]:
        target = event["target"]
        if event["action"] in ("push", "delete") and target.get("tag"):
            host = registry or urlsplit(target.get("url") or "").netloc or event["request"]["host"]
            yield f"{host}/{target['repository']}:{target['tag']}"


def _harbor(told: Mapping[str, Any], registry: str) -> Iterator[str]:
    """Harbor's own form (`event_data`), and its CloudEvents (`data`)."""
    if told["type"] not in _HARBOR:
        return
    for one in told.get("event_data", told.get("data"))["resources"]:
        if one.get("tag"):
            host, _, rest = one["resource_url"].partition("/")
            yield f"{registry or host}/{rest}"


def _dockerhub(told: Mapping[str, Any], registry: str) -> Iterator[str]:
    yield f"{registry or 'docker.io'}/{told['repository']['repo_name']}:{told['push_data']['tag']}"


def _ghcr(told: Mapping[str, Any], registry: str) -> Iterator[str]:
    """GitHub's events `package` and `registry_package`; other packages than containers have no such metadata."""
    package = told["package"] if "package" in told else told["registry_package"]
    tag = package["package_version"]["container_metadata"]["tag"].get("name")
    if tag:
        yield f"{registry or 'ghcr.io'}/{package['owner']['login'].lower()}/{package['name'].lower()}:{tag}"


def _quay(told: Mapping[str, Any], registry: str) -> Iterator[str]:
    """Of old `updated_tags` is an object by tag, now a list."""
    host, _, repository = told["docker_url"].partition("/")
    for tag in told["updated_tags"]:
        yield f"{registry or host}/{repository}:{tag}"


SENDERS: Mapping[str, Read] = {
    "distribution": _distribution,
    "gitlab": _distribution,
    "harbor": _harbor,
    "dockerhub": _dockerhub,
    "ghcr": _ghcr,
    "quay": _quay,
}
