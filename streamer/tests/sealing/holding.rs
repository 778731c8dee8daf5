//! What holds an hour back.

use marketstream_proto::TickKind;
use marketstream_streamer::backfill::{
    ledger::{Recorded, Unwritten},
    store::Files,
};

use super::data::{CON_ID, Data, HOUR};

const START: i64 = 1_795_464_000;

#[test]
fn an_hour_whose_ticks_are_in_memory_only_is_not_sealed() {
    let mut data = Data::new();
    for hour in 0..2 {
        data.record(TickKind::Last, START + hour * HOUR, 10);
    }
    let files = Files::new(data.path());
    let mut ledger = files.ledger();
    let stream = Recorded { con_id: CON_ID, kind: TickKind::Last };
    ledger.set_unwritten(vec![Unwritten { contract: "mnq".to_owned(), stream, from: START + HOUR + 5 }]);
    files.keep(&ledger).unwrap();
    let sealed = data.seal(START + 2 * HOUR + 200);
    assert_eq!((sealed.files, sealed.waiting), (1, 1));
    ledger.set_unwritten(Vec::new());
    files.keep(&ledger).unwrap();
    let sealed = data.seal(START + 2 * HOUR + 200);
    assert_eq!((sealed.files, sealed.waiting), (1, 0));
}
