"""The users' file: what is read of it, what is refused, and that nothing of it is ever shown."""

from pathlib import Path

import pytest

from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.redaction import redacted
from regproxy.policy.show import as_object, show
from regproxy.policy.source import Source
from regproxy.policy.users import MAX_COST, read_users
from regproxy.rehearsal.difference import difference
from regproxy.settings.choose import load_file

HASH = "$2y$05$" + "a" * 53
OTHER = "$2b$10$" + "b" * 53


def test_a_user_stands_on_each_line_with_a_hash_of_bcrypt() -> None:
    text = f"ann:{HASH}\r\n# ops\n\nrunner 7:{OTHER}  \nbén:{HASH}\n"
    assert read_users(text) == {"ann": HASH, "runner 7": OTHER, "bén": HASH}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ann:$apr1$abcdefgh$0123456789012345678901", "no user with a hash of bcrypt"),
        ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "no user with a hash of bcrypt"),
        ("ann:secret", "no user with a hash of bcrypt"),
        (f":{HASH}", "no user with a hash of bcrypt"),
        (f"ann:{HASH}a", "no user with a hash of bcrypt"),
        (f"{'a' * 201}:{HASH}", "no user with a hash of bcrypt"),
        (f"ann:$2y${MAX_COST + 1}${'a' * 53}", f"cost {MAX_COST + 1}, above {MAX_COST}"),
        (f"ben:{HASH}", "a second time"),
    ],
)
def test_another_line_is_refused_by_its_number_and_without_what_is_in_it(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"line 2 of the users file .*{why}") as refused:
        read_users(f"ben:{HASH}\n{line}\n")
    assert line.partition(":")[2] not in str(refused.value)


def test_the_policy_shows_where_its_users_are_and_redacted_not_even_that(tmp_path: Path) -> None:
    users, policy = tmp_path / "htpasswd", tmp_path / "p.policy"
    users.write_text(f"ann:{HASH}\n")
    users.chmod(0o600)

    def loaded(text: str) -> Policy:
        policy.write_text(text)
        found = load_file(policy)
        assert found.policy is not None, found.diagnostics
        assert not found.diagnostics
        assert str(users) in found.files
        return found.policy

    group = 'client-group ops { user "ann"; }\naccess { allow ops; }\n'
    one = loaded(f'policy 1;\nusers file "{users}";\n{group}')
    assert f'users file "{users}";' in show(one)
    assert as_object(one)["users"] == ["file", str(users)]
    assert HASH not in show(one) + repr(one)
    again = loaded(show(one))
    assert again.access == one.access
    assert difference(one, again).equal
    hidden = show(redacted(one))
    assert str(users) not in hidden
    assert "ann" not in hidden
    assert load(Source("hidden", hidden), {}).policy is not None
    users.write_text(f"ann:{OTHER}\n")
    (changed,) = difference(one, loaded(show(one))).changes
    assert (changed.subject, HASH in changed.old, OTHER in changed.new) == ("users of the proxy", False, False)
