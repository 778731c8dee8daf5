use super::*;
use crate::faults::Scope;
use crate::market::tick::TickType;

const STREAM: Stream = Stream { con_id: 5, tick: TickType::Last };
const OTHER: Stream = Stream { con_id: 5, tick: TickType::BidAsk };

fn book(dir: &tempfile::TempDir) -> FaultBook {
    FaultBook::open(&dir.path().join("faults.json")).unwrap()
}

fn silence(cure: Cure) -> Fault {
    Fault::Silence { scope: Scope::Contract { con_id: 5, tick: Some(TickType::Last) }, cure }
}

#[test]
fn a_silence_ends_by_its_cure_only() {
    let dir = tempfile::tempdir().unwrap();
    // (cure, subscribed, connected, withheld); the fault begins at 100.
    for (cure, subscribed, connected, withheld) in [
        (Cure::Resubscribe, 50, 40, true),
        (Cure::Resubscribe, 101, 40, false),
        (Cure::Reconnect, 101, 40, true),
        (Cure::Reconnect, 102, 101, false),
        (Cure::Never, 102, 101, true),
    ] {
        let mut book = book(&dir);
        let id = book.begin(silence(cure), 100).unwrap();
        assert_eq!(book.withholds(STREAM, subscribed, connected), withheld, "{cure:?} {subscribed} {connected}");
        assert!(!book.withholds(OTHER, subscribed, connected));
        assert_eq!(book.end(Some(id)).unwrap(), [id]);
        assert!(!book.withholds(STREAM, 50, 40));
    }
}

#[test]
fn a_restarted_process_still_has_them_and_never_reuses_an_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = book(&dir);
    assert_eq!(first.begin(silence(Cure::Never), 100).unwrap(), 1);
    assert_eq!(first.begin(Fault::Hang, 200).unwrap(), 2);
    let mut second = book(&dir);
    assert_eq!(second.list(), first.list());
    assert!(second.frozen() && second.listens());
    assert_eq!(second.end(None).unwrap(), [1, 2]);
    assert_eq!(book(&dir).begin(Fault::Refuse, 300).unwrap(), 3);
    assert!(!book(&dir).listens());
}

#[test]
fn alterations_follow_scope_and_cure_and_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(&dir);
    let scope = Scope::Tick(TickType::Last);
    book.begin(Fault::WrongPrices { scope, cure: Cure::Reconnect, offset: 0.5 }, 100).unwrap();
    book.begin(Fault::WrongPrices { scope: Scope::All, cure: Cure::Never, offset: 1.0 }, 100).unwrap();
    let offset =
        |stream, subscribed, connected| book.alteration(stream, subscribed, connected).map(|altered| altered.offset);
    assert_eq!(offset(STREAM, 150, 100), Some(1.5));
    assert_eq!(offset(STREAM, 150, 101), Some(1.0));
    assert_eq!(offset(OTHER, 50, 50), Some(1.0));
    book.end(None).unwrap();
    assert_eq!(book.alteration(STREAM, 50, 50), None);
}

#[test]
fn a_restart_ends_what_it_cures_and_what_happens_once_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = book(&dir);
    first.begin(silence(Cure::Restart), 100).unwrap();
    first.begin(Fault::Blackhole { connections: Connections::Old }, 100).unwrap();
    assert_eq!(first.begin(Fault::HalfFrame, 100).unwrap(), 3);
    assert!(first.withholds(STREAM, 200, 200));
    assert!(first.drops_old() && !first.drops_new());
    let mut second = book(&dir);
    assert!(!second.withholds(STREAM, 200, 200));
    assert_eq!(second.list().len(), 1);
    assert_eq!(second.end(Some(3)).unwrap(), [0; 0]);
    assert_eq!(second.begin(Fault::SlowLink { bytes_per_s: 7 }, 1).unwrap(), 4);
    assert_eq!(second.bytes_per_s(), Some(7));
}

#[test]
fn refusals_have_the_originals_codes() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = book(&dir);
    assert_eq!(book.refusal(STREAM), None);
    let scope = Scope::Contract { con_id: 5, tick: None };
    book.begin(Fault::Reject { scope, code: 354, text: "no".into() }, 1).unwrap();
    assert_eq!(book.refusal(STREAM).unwrap().code, 354);
    assert_eq!(book.refusal(Stream { con_id: 6, ..STREAM }), None);
    book.end(None).unwrap();
    book.begin(Fault::Competing, 2).unwrap();
    assert_eq!(book.refusal(OTHER).unwrap().code, 10189);
    book.begin(Fault::ClientIdInUse { client_id: 7 }, 3).unwrap();
    assert!(book.holds_client_id(7) && !book.holds_client_id(8));
}
