"""`regproxy policy diff`: words, JSON and exit codes."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group

OLD = 'policy 1;\nregistry r { hosts "r.example"; }\ntier tags { match kind is manifest; fresh 5m; }\n'
REST = "tier rest { match any; pass; }\n"


def diff(directory: Path, old: str, new: str, *options: str) -> Result:
    (directory / "old.policy").write_text(old)
    (directory / "new.policy").write_text(new)
    arguments = ["diff", str(directory / "old.policy"), str(directory / "new.policy"), *options]
    return CliRunner().invoke(policy_group, arguments)


def test_a_difference_is_shown_with_a_request_and_both_decisions(tmp_path: Path) -> None:
    result = diff(tmp_path, OLD + REST, OLD.replace("5m", "1h") + REST.replace("rest", "others"))
    assert result.exit_code == 3
    assert result.stdout == (
        "GET https://r.example/v2/library/redis/manifests/latest\n"
        "    old: tier tags: fresh 5m; revalidate head\n"
        "    new: tier tags: fresh 1h; revalidate head\n"
        "\n"
        "renamed, with the same outcome: rest -> others\n"
        "1 change\n"
    )


def test_what_is_only_written_otherwise_is_the_same_behaviour(tmp_path: Path) -> None:
    result = diff(tmp_path, OLD + REST, OLD.replace("5m", "300s") + REST)
    assert (result.exit_code, result.stdout) == (0, "the same behaviour\n")


def test_a_difference_can_be_had_as_json(tmp_path: Path) -> None:
    report = json.loads(diff(tmp_path, OLD, OLD + "tier no { match any; deny 403 'no'; }", "--json").stdout)
    assert report == {
        "equal": False,
        "changes": [
            {
                "subject": f"GET https://r.example/v2/library/redis/blobs/sha256:{'a' * 64}",
                "old": "unmatched: no tier matches, so pass",
                "new": "tier no: deny 403 no",
            }
        ],
        "renamed": [],
        "undecided": [],
    }


def test_a_policy_that_does_not_load_is_shown_and_one_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    result = diff(tmp_path, OLD, "policy 1; tier a { match any; pas; }")
    assert result.exit_code == 1
    assert "error[RP101]" in result.stdout
    missing = CliRunner().invoke(policy_group, ["diff", str(tmp_path / "none.policy"), str(tmp_path / "old.policy")])
    assert missing.exit_code == 2
    assert "cannot read the policy" in missing.stderr
