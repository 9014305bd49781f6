"""Secrets for policies that are a text and nothing else: every one that is named is there."""

import json

from regproxy.model.secret import Origin, Secret
from regproxy.policy.include import Alone, Revealed

SECRET = "hunter2-Zq9"
# me and SECRET, in base64
_LOGIN = {"auth": "bWU6aHVudGVyMi1acTk="}
_PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"
_HOSTS = ("https://registry.corp.example:8443/v2/", "registry.corp.example:5050", "https://index.docker.io/v1/")


class AnySecret(Alone):
    """Gives SECRET, or a docker `config.json` with it where the secret may have lines; PEM for files of that name."""

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        if origin.name.endswith(".pem"):
            return Revealed(Secret(origin, _PEM))
        config = json.dumps({"auths": dict.fromkeys(_HOSTS, _LOGIN)})
        return Revealed(Secret(origin, config if lines else SECRET))
