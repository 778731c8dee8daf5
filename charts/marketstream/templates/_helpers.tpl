{{/* The operator's objects are called marketstream-operator in a release called marketstream. */}}
{{- define "marketstream.name" -}}
{{- printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "marketstream.serviceAccount" -}}
{{- default (include "marketstream.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "marketstream.selector" -}}
app.kubernetes.io/name: marketstream-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "marketstream.labels" -}}
{{ include "marketstream.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Usage: include "marketstream.image" (list . .Values.image) */}}
{{- define "marketstream.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}

{{/* What the operator does with MarketStreams and their children. Each rule is needed by one module of operator/src. */}}
{{- define "marketstream.rules" -}}
# controller: the watch; apply::status: the decisions.
- apiGroups: [marketstream.io]
  resources: [marketstreams]
  verbs: [get, list, watch]
- apiGroups: [marketstream.io]
  resources: [marketstreams/status]
  verbs: [get, patch]
# build: owner references that block the deletion of the owner.
- apiGroups: [marketstream.io]
  resources: [marketstreams/finalizers]
  verbs: [update]
# apply: the children. A Role for the streamer may hold only what the operator holds itself.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [create, get, list, patch, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims, serviceaccounts, services]
  verbs: [create, get, list, patch, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, get, list, patch, watch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, roles]
  verbs: [create, get, list, patch, watch]
# apply::delete_pod: rolls.
- apiGroups: [""]
  resources: [pods]
  verbs: [delete, get, list, watch]
# reconcile: events.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
