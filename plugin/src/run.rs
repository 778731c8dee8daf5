//! What the subcommands do.

use anyhow::Result;
use http::Method;
use jiff::Timestamp;

use crate::{
    ask,
    cli::{Cli, Command, Output, View},
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
    }
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
