// The same rules, alerts and dashboards as a Prometheus mixin (https://monitoring.mixins.dev):
//   local regproxy = import 'grafana/mixin.libsonnet';
//   regproxy { _config+:: { selector: 'job="proxy"', runbooks: 'https://wiki.example/runbooks' } }
{
  _config:: {
    // Finds the instances of regproxy where a metric is not regproxy's own: `up`, `process_*`.
    selector: 'job=~".*regproxy.*"',
    // What stands before the name of an alert's page.
    runbooks: 'docs/runbooks',
  },
  local config = self._config,
  local configured(text) =
    std.strReplace(
      std.strReplace(text, 'job=~".*regproxy.*"', config.selector), 'docs/runbooks/', config.runbooks + '/'
    ),
  prometheusAlerts:: std.parseYaml(configured(importstr 'alerts.yaml')),
  prometheusRules:: std.parseYaml(importstr 'rules.yaml'),
  grafanaDashboards:: {
    'overview.json': import 'dashboards/overview.json',
    'registry.json': import 'dashboards/registry.json',
    'fleet.json': import 'dashboards/fleet.json',
    'logs.json': import 'dashboards/logs.json',
  },
}
