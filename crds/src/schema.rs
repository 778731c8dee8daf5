//! Schemas of Kubernetes' own types inside the spec, kept short: their prose would be most of the CRD.

use k8s_openapi::api::core::v1::{Affinity, EnvVar, LocalObjectReference, ResourceRequirements, Toleration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// `kubectl explain` of the embedded type's home tells more than a copy could.
fn without_descriptions<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    strip(schema.as_object_mut().map(|object| object as &mut serde_json::Map<_, _>));
    schema
}

fn strip(object: Option<&mut serde_json::Map<String, Value>>) {
    let Some(object) = object else { return };
    if object.get("description").is_some_and(Value::is_string) {
        object.remove("description");
    }
    for value in object.values_mut() {
        match value {
            Value::Object(inner) => strip(Some(inner)),
            Value::Array(items) => items.iter_mut().for_each(|item| strip(item.as_object_mut())),
            _ => {}
        }
    }
}

/// Schema of `resources`.
pub(crate) fn resources(generator: &mut SchemaGenerator) -> Schema {
    without_descriptions::<ResourceRequirements>(generator)
}

/// Schema of `affinity`.
pub(crate) fn affinity(generator: &mut SchemaGenerator) -> Schema {
    without_descriptions::<Affinity>(generator)
}

fn list<T: JsonSchema>(generator: &mut SchemaGenerator, max: usize) -> Schema {
    let items = without_descriptions::<T>(generator);
    json_schema!({ "type": "array", "maxItems": max, "items": items })
}

/// Schema of `tolerations`.
pub(crate) fn tolerations(generator: &mut SchemaGenerator) -> Schema {
    list::<Toleration>(generator, 32)
}

/// Schema of `env`.
pub(crate) fn env(generator: &mut SchemaGenerator) -> Schema {
    list::<EnvVar>(generator, 100)
}

/// Schema of `imagePullSecrets`.
pub(crate) fn pull_secrets(generator: &mut SchemaGenerator) -> Schema {
    list::<LocalObjectReference>(generator, 16)
}
