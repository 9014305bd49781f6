"""Who a client is: what it proves by Proxy-Authorization, asked of the core before what the request leads to."""

from tornado.httputil import HTTPHeaders

from regproxy.model.address import Authority
from regproxy.model.connect import ConnectDecision, Refuse
from regproxy.proxy.edge import Edge

# Passwords are UTF-8 (RFC 7617).
CHALLENGE = 'Basic realm="regproxy", charset="UTF-8"'


async def decide(edge: Edge, authority: Authority, client: str, headers: HTTPHeaders) -> tuple[ConnectDecision, str]:
    """What a request for this authority leads to, and the user that its client proved to be; raises CoreAway."""
    proof, user = headers.get("Proxy-Authorization"), ""
    if proof is not None:
        found = await edge.core.identify(client, proof)
        if isinstance(found, Refuse):
            return found, ""
        user = found.name
    return await edge.core.on_connect(authority, client, user), user
