"""Binding, and knowing one's own addresses."""

import socket

import pytest

from regproxy.app.listeners import bind, bind_all, reached_by
from regproxy.model.address import Authority
from tests.lab.processes import free_port


def test_an_address_in_use_is_named_with_the_way_out() -> None:
    port = free_port()
    with (
        bind(f"127.0.0.1:{port}"),
        pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*give another"),
    ):
        bind(f"127.0.0.1:{port}")


def test_all_addresses_are_bound_or_none() -> None:
    free, taken = free_port(), free_port()
    with bind(f"127.0.0.1:{taken}"):
        with pytest.raises(OSError, match="cannot listen"):
            bind_all([f"127.0.0.1:{free}", f"127.0.0.1:{taken}"])
        bind(f"127.0.0.1:{free}").close()


def test_the_unspecified_address_is_every_address_of_the_machine() -> None:
    port = free_port()
    with bind(f"[::]:{port}") as listening:
        assert {Authority("127.0.0.1", port), Authority("::1", port)} <= reached_by([listening])
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
    with bind(f"127.0.0.1:{port}") as listening:
        assert reached_by([listening]) == {Authority("127.0.0.1", port)}


@pytest.mark.parametrize("text", ["3128", "localhost", "127.0.0.1:x", "127.0.0.1:99999"])
def test_what_is_no_address_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|host"):
        bind(text)
