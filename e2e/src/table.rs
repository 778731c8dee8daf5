//! The table of `kubectl get mstream`, as the server prints it.

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Cluster;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Rows and columns that the server made of some objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    column_definitions: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    type_: String,
    priority: i32,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    cells: Vec<Value>,
}

impl Table {
    /// What `kubectl get mstream -n NAMESPACE` shows.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn of_marketstreams(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let path = format!("/apis/marketstream.io/v1alpha1/namespaces/{namespace}/marketstreams");
        cluster.get(&path, TABLE).await
    }

    /// Whether another table says the same, ages aside: those change by themselves.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }

    fn facts(&self) -> Vec<Vec<&Value>> {
        let facts = |row| self.shown(row).filter(|(column, _)| column.type_ != "date").map(|(_, cell)| cell).collect();
        self.rows.iter().map(facts).collect()
    }

    /// The columns that are shown without `-o wide`.
    fn shown<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (&'a Column, &'a Value)> {
        self.column_definitions.iter().zip(&row.cells).filter(|(column, _)| column.priority == 0)
    }

    /// The header and the rows, aligned as kubectl does. `widths` keeps the columns where they were in earlier tables.
    #[must_use]
    pub fn lines(&self, widths: &mut Vec<usize>) -> Vec<String> {
        let shown = self.column_definitions.iter().filter(|column| column.priority == 0);
        let mut rows = vec![shown.map(|column| column.name.to_uppercase()).collect::<Vec<_>>()];
        rows.extend(self.rows.iter().map(|row| self.shown(row).map(|(_, cell)| text(cell)).collect::<Vec<_>>()));
        widths.resize(rows[0].len(), 0);
        for row in &rows {
            row.iter().zip(widths.iter_mut()).for_each(|(cell, width)| *width = (*width).max(cell.chars().count()));
        }
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(widths.iter()).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
}

fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(level: i32, age: &str) -> Table {
        let column = |name, type_, priority| json!({"name": name, "type": type_, "priority": priority});
        serde_json::from_value(json!({
            "columnDefinitions": [
                column("Name", "string", 0), column("Level", "integer", 0), column("Last Tick", "date", 0),
                column("Socket", "string", 1),
            ],
            "rows": [{"cells": ["demo", level, age, "Connected"]}],
        }))
        .unwrap()
    }

    #[test]
    fn looks_like_kubectls() {
        let mut widths = vec![6];
        assert_eq!(table(0, "5s").lines(&mut widths), ["NAME     LEVEL   LAST TICK", "demo     0       5s"]);
        assert_eq!(widths, [6, 5, 9]);
    }

    #[test]
    fn an_age_is_no_news() {
        assert!(table(0, "5s").says_the_same(&table(0, "6s")));
        assert!(!table(0, "5s").says_the_same(&table(1, "5s")));
    }
}
