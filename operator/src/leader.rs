//! Leader election on a Lease, with client-go's semantics: writes carry the resourceVersion that was read, and another
//! holder's lease runs out by our own clock, counted from when we last saw it change.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use tokio::time::{Instant, sleep, timeout_at};

/// client-go's defaults: a lease of 15 s, given up after 10 s without a renewal, renewed each 2 s.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

/// A candidate for the leadership.
#[derive(Clone, Debug)]
pub struct Elector {
    /// The Lease's namespace.
    pub api: Api<Lease>,
    /// The Lease's name.
    pub name: String,
    /// This process, uniquely.
    pub identity: String,
}

/// How leadership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The led work ended by itself; the lease is released.
    Finished,
    /// The lease could not be renewed in time. The process must exit: spawned reconciles outlive their future.
    Lost,
}

/// Another holder's lease as it was seen last.
type Seen = Option<(String, Instant)>;

impl Elector {
    /// Waits for the leadership, then polls `lead` until it ends or the lease is lost.
    pub async fn run(&self, lead: impl Future<Output = ()>) -> Outcome {
        let mut seen = None;
        while !self.attempt(&mut seen).await.unwrap_or(false) {
            sleep(RETRY).await;
        }
        tokio::pin!(lead);
        let mut deadline = Instant::now() + RENEW_DEADLINE;
        loop {
            tokio::select! {
                () = &mut lead => {
                    self.release().await;
                    return Outcome::Finished;
                }
                () = sleep(RETRY) => {}
            }
            match timeout_at(deadline, self.attempt(&mut seen)).await {
                Ok(Ok(true)) => deadline = Instant::now() + RENEW_DEADLINE,
                Ok(Err(error)) if Instant::now() < deadline => tracing::warn!(%error, "the lease was not renewed"),
                Ok(Ok(false) | Err(_)) | Err(_) => return Outcome::Lost,
            }
        }
    }

    /// Acquires or renews once.
    async fn attempt(&self, seen: &mut Seen) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
            let mut fresh = Lease { metadata, spec: None };
            self.claim(fresh.spec.get_or_insert_default(), true);
            return won(self.api.create(&PostParams::default(), &fresh).await);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let mine = holder == self.identity;
        if !mine && !holder.is_empty() && !run_out(seen, version, spec.lease_duration_seconds) {
            return Ok(false);
        }
        self.claim(spec, !mine);
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    fn claim(&self, spec: &mut LeaseSpec, transition: bool) {
        let now = MicroTime(Timestamp::now());
        if transition {
            spec.holder_identity = Some(self.identity.clone());
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + 1);
        }
        spec.renew_time = Some(now);
        spec.lease_duration_seconds = i32::try_from(LEASE.as_secs()).ok();
    }

    /// Gives the lease free at once, so that the next leader does not wait for it to run out.
    async fn release(&self) {
        let Ok(mut lease) = self.api.get(&self.name).await else { return };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
                tracing::warn!(%error, "the lease was not released and runs out by itself");
            }
        }
    }
}

/// Whether another holder's lease has not changed for as long as it lasts. `renewTime` is another machine's clock.
fn run_out(seen: &mut Seen, version: String, seconds: Option<i32>) -> bool {
    let lasts = Duration::from_secs(u64::try_from(seconds.unwrap_or(15)).unwrap_or(1).max(1));
    match seen {
        Some((known, since)) if *known == version => since.elapsed() >= lasts,
        _ => {
            *seen = Some((version, Instant::now()));
            false
        }
    }
}

fn won(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, Request, Response};
    use kube::{Client, client::Body, core::Status};
    use std::{
        convert::Infallible,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
    };

    /// An API server with one Lease, optimistic locks, and outages.
    #[derive(Clone, Default)]
    struct Server {
        lease: Arc<Mutex<Option<Lease>>>,
        down: Arc<AtomicBool>,
    }

    fn answer<T: serde::Serialize>(code: u16, body: &T) -> Response<Body> {
        Response::builder().status(code).body(Body::from(serde_json::to_vec(body).unwrap())).unwrap()
    }

    fn failure(code: u16, reason: &str) -> Response<Body> {
        let mut status = Status::failure(reason, reason);
        status.code = code;
        answer(code, &status)
    }

    impl Server {
        async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
            if self.down.load(Ordering::SeqCst) {
                return Ok(failure(500, "InternalError"));
            }
            let method = request.method().clone();
            let body = request.into_body().collect_bytes().await.unwrap();
            let mut lease = self.lease.lock().unwrap();
            let version = lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
            if method == Method::GET {
                return Ok(lease.as_ref().map_or_else(|| failure(404, "NotFound"), |lease| answer(200, lease)));
            }
            let mut new: Lease = serde_json::from_slice(&body).unwrap();
            if method == Method::POST && lease.is_some() {
                return Ok(failure(409, "AlreadyExists"));
            }
            if method == Method::PUT && new.metadata.resource_version != version {
                return Ok(failure(409, "Conflict"));
            }
            let next = version.map_or(1, |version| version.parse::<u64>().unwrap() + 1);
            new.metadata.resource_version = Some(next.to_string());
            *lease = Some(new.clone());
            Ok(answer(200, &new))
        }

        fn elector(&self, identity: &str) -> Elector {
            let server = self.clone();
            let service = tower::service_fn(move |request| server.clone().serve(request));
            let api = Api::default_namespaced(Client::new(service, "marketstream-system"));
            Elector { api, name: "marketstream-operator".into(), identity: identity.into() }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_candidate_leads_only_after_a_release() {
        let server = Server::default();
        let (first, second) = (server.elector("first"), server.elector("second"));
        let start = Instant::now();
        let leading = tokio::spawn(async move { first.run(sleep(Duration::from_secs(60))).await });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(second.run(async {}).await, Outcome::Finished);
        assert!(start.elapsed() >= Duration::from_secs(60));
        assert_eq!(leading.await.unwrap(), Outcome::Finished);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_leader_s_lease_runs_out() {
        let server = Server::default();
        let dead = server.elector("dead");
        assert!(dead.attempt(&mut None).await.unwrap());
        let start = Instant::now();
        assert_eq!(server.elector("next").run(async {}).await, Outcome::Finished);
        assert!(start.elapsed() >= LEASE && start.elapsed() < LEASE * 2, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn leadership_is_lost_by_the_renew_deadline_when_the_server_is_down() {
        let server = Server::default();
        let leader = server.elector("leader");
        let down = server.down.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(30)).await;
            down.store(true, Ordering::SeqCst);
        });
        let start = Instant::now();
        assert_eq!(leader.run(std::future::pending()).await, Outcome::Lost);
        assert!(start.elapsed() < Duration::from_secs(30) + LEASE, "{:?}", start.elapsed());
    }
}
