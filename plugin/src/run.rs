//! What the subcommands do.

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use jiff::Timestamp;
use marketstream_crds::MarketStream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{
    ask,
    cli::{Backfill, Cli, Command, Output, View},
    cluster::Cluster,
    logs, pod,
    show::{self, Report},
};

/// A page, and whether its answer is yes, where it is an answer.
pub(crate) struct Answer {
    pub(crate) report: Report,
    pub(crate) yes: bool,
}

impl From<Report> for Answer {
    fn from(report: Report) -> Self {
        Self { report, yes: true }
    }
}

/// Runs a subcommand, and says whether its answer is yes.
pub(crate) async fn run(cli: Cli) -> Result<bool> {
    let cluster = Cluster::connect(cli.context, cli.namespace).await?;
    let output = match &cli.command {
        Command::Logs(wanted) => return logs::print(&cluster, wanted).await.map(|()| true),
        Command::Status(status) => status.view.output,
        Command::Restart(restart) => restart.view.output,
        Command::Backfill(wanted) => wanted.view.output,
        Command::Explain(view)
        | Command::Timeline(view)
        | Command::Login(view)
        | Command::Health(view)
        | Command::Gaps(view)
        | Command::TestConnection(view) => view.output,
    };
    let Answer { report, yes } = answer(&cluster, &cli.command).await?;
    match output {
        Output::Text => print!("{}", report.text),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report.json)?),
    }
    Ok(yes)
}

/// What a subcommand has to say; it prints nothing.
pub(crate) async fn answer(cluster: &Cluster, command: &Command) -> Result<Answer> {
    Ok(match command {
        Command::Status(status) => {
            let ms = cluster.marketstream(&status.view.name.name).await?;
            Answer { yes: !status.check || show::well(&ms), report: show::status(&ms, Timestamp::now()) }
        }
        Command::Explain(view) => page(cluster, view, show::explain).await?.into(),
        Command::Timeline(view) => timeline(cluster, view).await?.into(),
        Command::Restart(restart) => {
            ask::restart(cluster, &restart.view.name.name, restart.stream.as_deref()).await?.into()
        }
        Command::Login(view) => ask::login(cluster, &view.name.name).await?.into(),
        Command::Health(view) => {
            let body = get(cluster, &view.name.name, "/health").await?;
            Report { text: format!("{}\n", serde_json::to_string_pretty(&body)?), json: body }.into()
        }
        Command::Gaps(view) => {
            let ledger = get(cluster, &view.name.name, "/v1/gaps").await?;
            Report { text: show::gaps(&ledger), json: ledger }.into()
        }
        Command::TestConnection(view) => test_connection(cluster, &view.name.name).await?,
        Command::Backfill(wanted) => backfill(cluster, wanted).await?.into(),
        // A log is lines and no page: `run` has printed it.
        Command::Logs(_) => Report { text: String::new(), json: Value::Null }.into(),
    })
}

async fn page(cluster: &Cluster, view: &View, make: show::Make) -> Result<Report> {
    Ok(make(&cluster.marketstream(&view.name.name).await?, Timestamp::now()))
}

/// Asks the streamer for JSON.
async fn get(cluster: &Cluster, name: &str, path: &str) -> Result<Value> {
    let (status, body) = pod::ask(cluster, name, Method::GET, path).await?;
    ensure!(status.is_success(), "the streamer answers {status}: {}", body.trim_end());
    serde_json::from_str(&body).with_context(|| format!("the streamer's answer to {path}"))
}

/// Incidents are in the resource; the gaps are in the pod, which may be gone just now.
async fn timeline(cluster: &Cluster, view: &View) -> Result<Report> {
    let name = &view.name.name;
    let ms = cluster.marketstream(name).await?;
    let ledger = get(cluster, name, "/v1/gaps").await.map_err(|error| format!("{error:#}"));
    Ok(show::timeline(&ms, ledger.as_ref(), Timestamp::now()))
}

async fn test_connection(cluster: &Cluster, name: &str) -> Result<Answer> {
    let json = get(cluster, name, "/v1/test-connection").await?;
    let ports = json.as_array().map_or(&[][..], Vec::as_slice);
    let line = |port: &Value| {
        let text = |field: &str| port[field].as_str().unwrap_or_default().to_owned();
        format!("{}  {}\n", text("endpoint"), text("text"))
    };
    let yes = ports.iter().any(|port| port["reach"]["result"] == "gateway");
    let text = ports.iter().map(line).chain((!yes).then(|| "no gateway answers\n".to_owned())).collect();
    Ok(Answer { report: Report { text, json }, yes })
}

async fn backfill(cluster: &Cluster, wanted: &Backfill) -> Result<Report> {
    let name = &wanted.view.name.name;
    let ms = cluster.marketstream(name).await?;
    let ticks = ticks(&ms, wanted)?;
    for tick in &ticks {
        let parameters = [("contract", &wanted.contract), ("tick", tick), ("from", &wanted.from), ("to", &wanted.to)];
        let query = parameters.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        let path = format!("/v1/backfill?{}", query.join("&"));
        let (status, body) = pod::ask(cluster, name, Method::POST, &path).await?;
        ensure!(status.is_success(), "{}", body.trim_end());
    }
    let streams: Vec<String> = ticks.iter().map(|tick| format!("{}/{tick}", wanted.contract)).collect();
    Ok(Report {
        text: show::paragraph("", &format!("asked for {}", streams.join(", ")))
            + &format!("what becomes of it: kubectl marketstream gaps {name} -n {}\n", cluster.namespace),
        json: json!({"asked": "backfill", "streams": streams, "from": wanted.from, "to": wanted.to}),
    })
}

/// The tick types that are asked for: those that the manifest records, unless some are named.
fn ticks(ms: &MarketStream, wanted: &Backfill) -> Result<Vec<String>> {
    let contracts = &ms.spec.contracts;
    let Some(contract) = contracts.iter().find(|contract| contract.name == wanted.contract) else {
        let names: Vec<&str> = contracts.iter().map(|contract| contract.name.as_str()).collect();
        bail!("no contract {:?}; there are {}", wanted.contract, names.join(", "));
    };
    let recorded = || contract.ticks.iter().map(|tick| tick.as_str().to_owned()).collect();
    Ok(if wanted.tick.is_empty() { recorded() } else { wanted.tick.clone() })
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
