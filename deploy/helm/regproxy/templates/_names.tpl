{{- define "regproxy.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "regproxy.selector" -}}
app.kubernetes.io/name: regproxy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "regproxy.labels" -}}
{{ include "regproxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "regproxy.policy" -}}
{{- if .Values.policy.existingConfigMap -}}
{{ .Values.policy.existingConfigMap }}
{{- else if .Values.policy.text -}}
{{ include "regproxy.name" . }}-policy
{{- end -}}
{{- end -}}
