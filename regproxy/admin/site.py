"""What is behind one door: the API."""

from dataclasses import replace

from tornado.httputil import HTTPServerRequest

from regproxy.admin.api import PREFIX, Api, problem
from regproxy.admin.door import Door
from regproxy.admin.server import Page, Server

MAX_BODY = 64 * 1024
_CHALLENGE = (("WWW-Authenticate", 'Bearer realm="regproxy"'),)


class Site(Server):
    """Serves whom the door lets in."""

    def __init__(self, api: Api, door: Door) -> None:
        super().__init__(self._page, problem(500, "an internal error; the log says more"), MAX_BODY)
        self._api = api
        self._door = door

    async def _page(self, request: HTTPServerRequest) -> Page:
        refusal = self._door.refusal(request)
        if refusal is not None:
            return problem(*refusal)
        if not request.path.startswith(f"{PREFIX}/"):
            return problem(404, f"there is no {request.path[:200]} here")
        if not await self._door.opens(request):
            wanted = "the token of --admin-token-file is asked for, as `Authorization: Bearer TOKEN`"
            return replace(problem(401, wanted), headers=_CHALLENGE)
        return await self._api.answer(request, self._door.who(request))
