//! The manifest of a process without Kubernetes: the text that `kubectl apply` takes, or its spec alone.

use marketstream_crds::{MarketStreamSpec, check, names};
use serde_json::{Map, Value, json};
use serde_saphyr::{Options, options::AliasLimits};

use super::{schema::Schema, seed::Seed};

/// Nodes that stand in a manifest by a name for them: a hundred contracts with all their fields have a third of it.
const MOST_REPEATED: usize = 10_000;
/// Name of a MarketStream whose manifest gives none.
const NAME: &str = "standalone";

/// A manifest that may run.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `metadata.name`.
    pub name: String,
    /// What to do.
    pub spec: MarketStreamSpec,
    /// The annotation that stops recovery actions.
    pub paused: bool,
    /// The annotation that asks for a login.
    pub retry_login: Option<String>,
    /// The whole object: what comes next must not change its fixed fields.
    object: Value,
}

/// Reads manifests.
#[derive(Debug)]
pub struct Reader {
    schema: Schema,
    seed: Seed,
}

impl Reader {
    /// A reader that completes manifests with ib-stream's variables.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { schema: Schema::of_marketstream(), seed }
    }

    /// Reads `text`, which is to take the place of `old`. An empty text leaves all to the variables.
    ///
    /// # Errors
    /// Everything that is wrong, each with its field.
    pub fn read(&self, text: &str, old: Option<&Manifest>) -> Result<Manifest, String> {
        let mut object = document(text)?;
        without_nulls(&mut object);
        let whole = object.get("kind").is_some() || object.get("spec").is_some();
        let mut object = match object {
            Value::Object(fields) if whole => fields,
            Value::Object(spec) => Map::from_iter([("spec".to_owned(), Value::Object(spec))]),
            _ => return Err("the manifest must be a MarketStream, or its spec".to_owned()),
        };
        header(&mut object)?;
        // What was once observed is no wish.
        object.remove("status");
        if let Some(spec) = object.entry("spec").or_insert_with(|| json!({})).as_object_mut() {
            self.seed.complete(spec);
        }
        let object = Value::Object(object);
        let problems = self.schema.problems(&object, old.map(|old| &old.object));
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let spec: MarketStreamSpec =
            serde_json::from_value(object["spec"].clone()).map_err(|error| format!("spec: {error}"))?;
        if let Some(problem) = check::problem(&spec) {
            return Err(problem);
        }
        if spec.suspend {
            return Err("spec.suspend: nothing would be recorded; stop this process instead".to_owned());
        }
        let annotation = |name: &str| object["metadata"]["annotations"][name].as_str().map(str::to_owned);
        Ok(Manifest {
            name: object["metadata"]["name"].as_str().unwrap_or(NAME).to_owned(),
            spec,
            paused: annotation(names::ANNOTATION_PAUSED).is_some_and(|value| value == "true"),
            retry_login: annotation(names::ANNOTATION_RETRY_LOGIN),
            object,
        })
    }
}

/// YAML's names for parts that come again (`*name`) may multiply: a few lines can stand for a billion nodes.
fn options() -> Options {
    let alias_limits = AliasLimits { max_total_replayed_events: MOST_REPEATED, ..AliasLimits::default() };
    Options { alias_limits, ..Options::default() }
}

/// The one document that matters: a file for kubectl may hold a Secret or a Namespace, too.
fn document(text: &str) -> Result<Value, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| format!("it is no valid YAML: {error}"))?;
    let mut documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    if documents.len() > 1 {
        documents.retain(|document| document["kind"] == "MarketStream");
    }
    match documents.len() {
        0 if text.trim().is_empty() => Ok(json!({})),
        0 => Err("kind: the file has no MarketStream".to_owned()),
        1 => Ok(documents.remove(0)),
        more => Err(format!("kind: the file has {more} MarketStreams; one process records one")),
    }
}

fn header(object: &mut Map<String, Value>) -> Result<(), String> {
    for (field, wanted) in [("kind", "MarketStream"), ("apiVersion", "marketstream.io/v1alpha1")] {
        let value = object.entry(field).or_insert_with(|| json!(wanted));
        if value != wanted {
            return Err(format!("{field}: {value} must be {wanted}"));
        }
    }
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    let metadata = metadata.as_object_mut().ok_or("metadata: it must be a map of fields")?;
    if !metadata.entry("name").or_insert_with(|| json!(NAME)).is_string() {
        return Err("metadata.name: it must be a string".to_owned());
    }
    Ok(())
}

/// As the API server does, a field without a value counts as not given.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use marketstream_fuzz::{Memory, fuzz};

    use super::*;

    const SPEC: &str = "contracts:\n- {name: mnq, conId: 1, ticks: [Last]}\ngateway: {external: {host: gw}}\n";

    fn read(text: &str) -> Result<Manifest, String> {
        Reader::new(Seed::default()).read(text, None)
    }

    fn whole(spec: &str) -> String {
        let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        format!(
            "apiVersion: marketstream.io/v1alpha1\nkind: MarketStream\nmetadata:\n  name: futures\n  annotations:\n    \
             marketstream.io/paused: \"true\"\nspec:\n{spec}"
        )
    }

    #[test]
    fn a_whole_manifest_and_a_bare_spec_say_the_same() {
        let (whole, bare) = (read(&whole(SPEC)).unwrap(), read(SPEC).unwrap());
        assert_eq!(whole.spec, bare.spec);
        assert_eq!((whole.name.as_str(), whole.paused), ("futures", true));
        assert_eq!((bare.name.as_str(), bare.paused), ("standalone", false));
    }

    #[test]
    fn of_several_documents_the_marketstream_counts() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: ibkr}\n";
        let text = format!("{secret}---\n{}", whole(SPEC));
        assert_eq!(read(&text).unwrap().name, "futures");
        assert!(read(&format!("{text}---\n{}", whole(SPEC))).unwrap_err().contains("2 MarketStreams"));
        assert!(read(secret).unwrap_err().starts_with("kind: \"Secret\" must be MarketStream"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("contracts: [", "no valid YAML"),
            ("[1]", "must be a MarketStream"),
            ("kind: MarketStream\nspec: 1\n", "spec: 1 must be a map of fields"),
            ("contracts: []\ngateway: {external: {host: gw}}\n", "spec.contracts: it must have at least 1 entry"),
            (&format!("{SPEC}suspend: true\n"), "spec.suspend: nothing would be recorded"),
            (&format!("{SPEC}recovery: {{staleAfter: 0s}}\n"), "spec.recovery.staleAfter: 0s would always be stale"),
            (
                &format!("{SPEC}maintenanceWindows: [{{start: \"01:00\", duration: 1h, timeZone: Moon}}]\n"),
                "spec.maintenanceWindows[0].timeZone: \"Moon\" is not an IANA time zone",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_variables_alone_are_enough() {
        let seed = Seed::read(|name| (name == super::super::seed::CONTRACTS).then(|| "1:MNQ".to_owned())).unwrap();
        let manifest = Reader::new(seed).read("", None).unwrap();
        assert_eq!((manifest.spec.contracts[0].name.as_str(), manifest.spec.contracts[0].con_id), ("mnq", Some(1)));
        assert!(read("").unwrap_err().contains("spec.contracts: it is missing"));
    }

    #[test]
    fn an_emptied_field_is_a_missing_one() {
        assert_eq!(read(&format!("{SPEC}recovery:\n")).unwrap().spec, read(SPEC).unwrap().spec);
    }

    #[test]
    fn fuzzed_manifests_are_refused_with_a_reason_or_take_their_own_place() {
        let long =
            "recovery: {staleAfter: 30s, warnAfter: 40s}\nbackfill: {maxAge: 12h}\nstorage: {retentionDays: 7}\n";
        // One node under several names.
        let shared = "contracts: [{name: a, conId: 1, ticks: &t [Last, BidAsk]}, {name: b, conId: 2, ticks: *t}]\n\
                      gateway: {external: {host: gw}}\nlimits: &l {lines: 50}\nbackfill: {<<: *l}\n";
        // Nine names for nine of the one before, and so on: a billion nodes, if somebody wrote them out.
        let laugh = |level: u8| {
            let (name, below) = (char::from(level), format!("*{}", char::from(level - 1)));
            format!("{name}: &{name} [{}]\n", vec![below; 9].join(", "))
        };
        let laughs = format!("a: &a [x]\n{}", (b'b'..=b'i').map(laugh).collect::<String>());
        let corpus = [
            SPEC.to_owned(),
            whole(SPEC),
            format!("{SPEC}{long}"),
            format!("{SPEC}limits: {{lines: 50}}\n"),
            shared.to_owned(),
            laughs,
        ];
        let reader = Reader::new(Seed::default());
        // Ten thousand repeated nodes, and what is wrong with each.
        let memory = Memory { base: 8 << 20, per_byte: 512 };
        fuzz("manifests", memory, &corpus.map(String::into_bytes), |bytes| {
            let text = String::from_utf8_lossy(bytes);
            match reader.read(&text, None) {
                Ok(manifest) => assert_eq!(reader.read(&text, Some(&manifest)), Ok(manifest)),
                Err(reason) => assert!(!reason.trim().is_empty()),
            }
        });
    }
}
