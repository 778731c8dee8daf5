//! What holds an hour back.

use marketstream_proto::{Source, TickKind, TickMessage};
use marketstream_streamer::backfill::{
    ledger::{GapCause, Outcome, Progress, Recorded, Unwritten},
    merge::Compared,
    store::Files,
};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
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

/// What the sealed file says of each fetched tick: its quality and its revision.
fn fetched(data: &Data) -> Vec<(String, i64)> {
    let sealed = data.sealed();
    assert_eq!(sealed.len(), 1, "{sealed:?}");
    let reader = SerializedFileReader::new(std::fs::File::open(data.path().join(&sealed[0])).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let fetched = rows.filter_map(|row| {
        let field =
            |wanted: &str| row.get_column_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field.clone());
        match (field("fill_quality")?, field("rev")?) {
            (Field::Str(quality), Field::Long(rev)) => Some((quality, rev)),
            (Field::Str(quality), Field::Int(rev)) => Some((quality, rev.into())),
            _ => None,
        }
    });
    fetched.collect()
}

#[test]
fn a_gap_that_settles_late_without_a_tick_more_tells_how_far_those_can_be_trusted() {
    let mut data = Data::new();
    data.record(TickKind::Last, START, 10);
    let (files, stream) = (Files::new(data.path()), Recorded { con_id: CON_ID, kind: TickKind::Last });
    let mut ledger = files.ledger();
    ledger.open("mnq", stream, Some(START + 5), GapCause::SessionLost);
    ledger.close(stream, START + 60, 0);
    let tick = TickMessage {
        ts: (START + 30) * 1_000_000,
        cid: CON_ID,
        tt: "last".to_owned(),
        p: Some(1.0),
        source: Source::Backfill.into(),
        ..TickMessage::default()
    };
    files.add(stream, &[tick]).unwrap();
    let id = ledger.gaps()[0].id;
    let progress = Progress { through: START + 40, newest: Some(START + 30), compared: Compared::default() };
    ledger.settle(id, Outcome::Partly { added: 1, progress }, 0);
    files.keep(&ledger).unwrap();
    let late = START + 26 * HOUR;
    assert_eq!(data.seal(late).files, 1, "after maxAge");
    assert_eq!(fetched(&data), [("approximate".to_owned(), 1)]);
    assert_eq!(data.seal(late).files, 0, "nothing has changed");
    ledger.settle(id, Outcome::Fetched { added: 0, agreement: Some(1.0), whole: true }, 0);
    files.keep(&ledger).unwrap();
    assert_eq!(data.seal(late).files, 1);
    assert_eq!(fetched(&data), [("exact".to_owned(), 2)]);
    assert_eq!(data.seal(late).files, 0);
}
