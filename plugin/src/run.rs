//! What the subcommands do.

use anyhow::{Result, ensure};
use http::Method;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    ask,
    cli::{Backfill, Cli, Command, Output, View},
    cluster::Cluster,
    logs, pod,
    show::{self, Report},
};

pub(crate) async fn run(cli: Cli) -> Result<()> {
    let cluster = Cluster::connect(cli.context, cli.namespace).await?;
    match cli.command {
        Command::Status(view) => print(&cluster, &view, show::status).await,
        Command::Explain(view) => print(&cluster, &view, show::explain).await,
        Command::Timeline(view) => print(&cluster, &view, show::timeline).await,
        Command::Restart(of) => ask::restart(&cluster, &of.name).await,
        Command::Login(of) => ask::login(&cluster, &of.name).await,
        Command::Logs(logs) => logs::print(&cluster, &logs).await,
        Command::Health(of) => {
            let (_, body) = pod::ask(&cluster, &of.name, Method::GET, "/health").await?;
            println!("{}", body.trim_end());
            Ok(())
        }
        Command::Gaps(view) => gaps(&cluster, &view).await,
        Command::TestConnection(of) => test_connection(&cluster, &of.name).await,
        Command::Backfill(wanted) => backfill(&cluster, &wanted).await,
    }
}

async fn gaps(cluster: &Cluster, view: &View) -> Result<()> {
    let (status, body) = pod::ask(cluster, &view.name.name, Method::GET, "/v1/gaps").await?;
    ensure!(status.is_success(), "the streamer answers {status}: {}", body.trim_end());
    match view.output {
        Output::Json => println!("{}", body.trim_end()),
        Output::Text => print!("{}", show::gaps(&serde_json::from_str(&body)?)),
    }
    Ok(())
}

async fn test_connection(cluster: &Cluster, name: &str) -> Result<()> {
    let (status, body) = pod::ask(cluster, name, Method::GET, "/v1/test-connection").await?;
    ensure!(status.is_success(), "the streamer answers {status}: {}", body.trim_end());
    let ports: Vec<serde_json::Value> = serde_json::from_str(&body)?;
    for port in &ports {
        let text = |field: &str| port[field].as_str().unwrap_or_default().to_owned();
        println!("{}  {}", text("endpoint"), text("text"));
    }
    let found = ports.iter().any(|port| port["reach"]["result"] == "gateway");
    ensure!(found, "no gateway answers");
    Ok(())
}

async fn backfill(cluster: &Cluster, wanted: &Backfill) -> Result<()> {
    for tick in &wanted.tick {
        let parameters = [("contract", &wanted.contract), ("tick", tick), ("from", &wanted.from), ("to", &wanted.to)];
        let query = parameters.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        let path = format!("/v1/backfill?{}", query.join("&"));
        let (status, body) = pod::ask(cluster, &wanted.name.name, Method::POST, &path).await?;
        ensure!(status.is_success(), "{}", body.trim_end());
        println!(
            "{}/{tick} is asked for; kubectl marketstream gaps {} shows what becomes of it",
            wanted.contract, wanted.name.name
        );
    }
    Ok(())
}

async fn print(cluster: &Cluster, view: &View, report: show::Make) -> Result<()> {
    let ms = cluster.marketstream(&view.name.name).await?;
    let Report { text, json } = report(&ms, Timestamp::now());
    match view.output {
        Output::Text => print!("{text}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&json)?),
    }
    Ok(())
}
