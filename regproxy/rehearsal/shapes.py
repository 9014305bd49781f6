"""The shapes of requests: which attributes each kind has, what they may hold, and the path that follows from them."""

from dataclasses import dataclass
from typing import Literal

from regproxy.model.oci import Kind
from regproxy.rehearsal.grammars import OTHER_PATH, Grammar, path_grammar


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of request: `reference` says what it names, `path` where the names stand in it."""

    kind: Kind
    reference: Literal["tag", "digest", ""]
    path: str

    @property
    def named(self) -> bool:
        """Whether it has a repository."""
        return "REPOSITORY" in self.path

    @property
    def paths(self) -> Grammar:
        """What its path can be."""
        return path_grammar(self.path) if self.path else OTHER_PATH

    def has(self, attribute: str) -> bool:
        """Whether a request of this shape has an attribute of the language."""
        match attribute:
            case "repo":
                return self.named
            case "ref":
                return bool(self.reference)
            case "tag" | "digest":
                return self.reference == attribute
            case _:
                return True


SHAPES = (
    Shape(Kind.MANIFEST, "tag", "/v2/REPOSITORY/manifests/TAG"),
    Shape(Kind.MANIFEST, "digest", "/v2/REPOSITORY/manifests/DIGEST"),
    Shape(Kind.BLOB, "digest", "/v2/REPOSITORY/blobs/DIGEST"),
    Shape(Kind.TAGS, "", "/v2/REPOSITORY/tags/list"),
    Shape(Kind.REFERRERS, "digest", "/v2/REPOSITORY/referrers/DIGEST"),
    Shape(Kind.CATALOG, "", "/v2/_catalog"),
    Shape(Kind.UPLOAD, "", "/v2/REPOSITORY/blobs/uploads(?:/.*)?"),
    Shape(Kind.OTHER, "", ""),
)
