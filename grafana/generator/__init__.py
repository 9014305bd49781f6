"""The dashboards as typed Python; `python -m grafana.generator` writes them to `grafana/dashboards/`."""
