"""The chart, linted and rendered by helm itself: by default, and with everything that can be switched on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.helm import Helm, unpack
from tests.lab.policies import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "regproxy"
ALL: dict[str, Any] = {
    "replicas": 3,
    "image": {"repository": "registry.example/regproxy", "tag": "1.2.3"},
    "imagePullSecrets": [{"name": "pull"}],
    "policy": {"text": "policy 1;\ntier rest { match any; pass; }\n"},
    "credentials": {"existingSecret": "hub"},
    "env": [{"name": "REGPROXY_WORKERS", "value": "2"}],
    "args": ["--resume"],
    "antiAffinity": "hard",
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"operator": "Exists"}],
    "podAnnotations": {"a": "b"},
    "persistence": {"storageClass": "fast", "size": "1Ti"},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "monitoring": [{"namespaceSelector": {}}],
        "egress": [{"ports": [{"port": 8443}]}],
    },
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "traces": {"endpoint": "http://otel-collector:4318"},
    "dashboards": {"sidecar": {"enabled": True, "annotations": {"folder": "regproxy"}}, "operator": {"enabled": True}},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "all": ALL,
    "one": {"replicas": 1, "persistence": {"enabled": False}, "antiAffinity": "off", "service": {"type": "ClusterIP"}},
    "existing": {"policy": {"existingConfigMap": "mine", "file": "corp.policy"}, "service": {"type": "NodePort"}},
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(unpack(tmp_path_factory.mktemp("helm")), CHART)


def pod(objects: dict[tuple[str, str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = objects["StatefulSet", "watch"]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_chart_is_linted_and_everything_in_it_fits_together(helm: Helm, values: dict[str, Any]) -> None:
    linted = helm.run("lint", values)
    assert linted.returncode == 0, linted.stdout
    assert "[WARNING]" not in linted.stdout
    objects = helm.render(values)
    spec = objects["StatefulSet", "watch"]["spec"]
    labels = spec["template"]["metadata"]["labels"].items()
    (container,) = pod(objects)["containers"]
    ports = {port["name"] for port in container["ports"]}
    for service in ("watch", "watch-metrics"):
        found = objects["Service", service]["spec"]
        assert found["selector"].items() <= labels
        assert {port["targetPort"] for port in found["ports"]} <= ports
    assert spec["selector"]["matchLabels"].items() <= labels
    assert ("Service", spec["serviceName"]) in objects
    assert ("ServiceAccount", pod(objects)["serviceAccountName"]) in objects
    volumes = {volume["name"] for volume in pod(objects)["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_two_replicas_of_one_ca_keep_apart_from_each_other_and_see_their_clients(helm: Helm) -> None:
    objects = helm.render({})
    assert objects["StatefulSet", "watch"]["spec"]["replicas"] == 2
    assert objects["Service", "watch"]["spec"]["externalTrafficPolicy"] == "Local"
    assert objects["PodDisruptionBudget", "watch"]["spec"]["maxUnavailable"] == 1
    assert "podAntiAffinity" in pod(objects)["affinity"]
    ca = next(volume for volume in pod(objects)["volumes"] if volume["name"] == "ca")
    assert ca["secret"]["secretName"] == "regproxy-ca"
    assert {kind for kind, _ in objects} == {"StatefulSet", "Service", "ServiceAccount", "PodDisruptionBudget"}


def test_the_container_has_no_right_that_it_does_not_need_and_time_to_drain(helm: Helm) -> None:
    objects = helm.render({"drainSeconds": 60})
    (container,) = pod(objects)["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(objects)["securityContext"]["runAsNonRoot"] is True
    assert pod(objects)["automountServiceAccountToken"] is False
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["REGPROXY_DRAIN"] == "60s"
    assert pod(objects)["terminationGracePeriodSeconds"] == 80


def test_traces_go_to_the_collector_that_is_named_and_nowhere_unasked(helm: Helm) -> None:
    told = {"name": "REGPROXY_OTEL_ENDPOINT", "value": "http://otel-collector:4318"}
    for values, there in ((ALL, True), ({}, False)):
        (container,) = pod(helm.render(values))["containers"]
        assert (told in container["env"]) is there
        assert any(one["name"] == told["name"] for one in container["env"]) is there


def test_a_policy_is_mounted_as_a_folder_so_that_it_can_change_while_it_runs(helm: Helm) -> None:
    objects = helm.render(ALL)
    (container,) = pod(objects)["containers"]
    assert {"name": "REGPROXY_POLICY", "value": "/etc/regproxy/regproxy.policy"} in container["env"]
    assert objects["ConfigMap", "watch-policy"]["data"] == {"regproxy.policy": ALL["policy"]["text"]}
    mount = next(mount for mount in container["volumeMounts"] if mount["name"] == "policy")
    assert mount == {"name": "policy", "mountPath": "/etc/regproxy", "readOnly": True}
    assert container["args"] == ["serve", "--resume"]
    existing = helm.render(VARIANTS["existing"])
    volume = next(volume for volume in pod(existing)["volumes"] if volume["name"] == "policy")
    assert volume["configMap"] == {"name": "mine"}
    assert ("ConfigMap", "mine-policy") not in existing


def test_what_watches_the_proxy_is_what_the_repository_holds(helm: Helm) -> None:
    objects = helm.render(ALL)
    groups = []
    for name in ("rules.yaml", "alerts.yaml"):
        groups += yaml.safe_load((REPOSITORY / "grafana" / name).read_text(encoding="utf-8"))["groups"]
    assert objects["PrometheusRule", "watch"]["spec"]["groups"] == groups
    dashboards = sorted((REPOSITORY / "grafana" / "dashboards").glob("*.json"))
    assert dashboards
    for path in dashboards:
        text = path.read_text(encoding="utf-8")
        sidecar = objects["ConfigMap", f"watch-{path.stem}"]
        assert sidecar["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(sidecar["data"][path.name]) == json.loads(text)
        assert json.loads(objects["GrafanaDashboard", f"watch-{path.stem}"]["spec"]["json"]) == json.loads(text)
    monitor = objects["ServiceMonitor", "watch"]
    labels = objects["Service", "watch-metrics"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == "regproxy"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (scraped,) = yaml.safe_load((REPOSITORY / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))[
        "scrape_configs"
    ]
    assert monitor["spec"]["sampleLimit"] == scraped["sample_limit"]


@pytest.mark.parametrize(
    ("values", "word"),
    [({"replicas": 0}, "replicas"), ({"antiAffinity": "some"}, "antiAffinity"), ({"ca": {"existingSecret": ""}}, "ca")],
)
def test_values_that_make_no_sense_are_refused_by_name(helm: Helm, values: dict[str, Any], word: str) -> None:
    ran = helm.run("template", values)
    assert ran.returncode != 0
    assert word in ran.stderr


def test_the_chart_is_of_the_version_that_it_runs(helm: Helm) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    version = (REPOSITORY / "regproxy" / "__init__.py").read_text(encoding="utf-8")
    assert f'"{chart["appVersion"]}"' in version
    assert Path(CHART / "files").resolve() == REPOSITORY / "grafana"
