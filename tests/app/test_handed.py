"""What processes are handed."""

from regproxy.app.handed import without_secrets


def test_an_edge_is_started_without_the_variables_in_which_credentials_lie() -> None:
    plain = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": "/src", "TZ": "UTC"}
    secret = {"AUTH_REGISTRIES": "a:b:c", "HUB_PASSWORD": "x", "REGPROXY_POLICY": "y", "AWS_SECRET_ACCESS_KEY": "z"}
    assert without_secrets({**plain, **secret}) == plain
